// Alerts: what is wrong, what that rests on, who was told and in which words.

import { el, rebuild, setText, sign } from "./dom.js";
import { instant, length, number, span } from "./format.js";
import { phone, reasonName } from "./phone.js";
import { hasText, t } from "./texts.js";

// A figure's name ends with its unit: observed_lps is in L/s. The longest ending is found first.
const UNITS = [
  ["_lpcd", () => t("lpcd"), 0],
  ["_lps", () => "L/s", 2],
  ["_min", () => "min", 0],
  ["_m3", () => "m³", 0],
  ["_m", () => "m", 3],
  ["_v", () => "V", 1],
  ["_h", () => "h", 1],
];
const SHARES = /(deviation|limit|uncertainty|change|loss|below_season|change_3_weeks)$/; // fractions, where no unit follows
const CHANGES = /(deviation|change)/; // these carry their sign
const SHOWN_ELSEWHERE = ["minutes_since"]; // the alert's age says it, and goes on ticking

const named = (prefix, key) => (hasText(prefix + key) ? t(prefix + key) : key.replaceAll("_", " "));
export const kindName = (kind) => named("kind_", kind);

/** A word of the evidence: a site is called by its name, a fault by ours. */
function word(key, value, sites) {
  if (key.endsWith("site")) return sites[value] ?? value;
  return hasText(`fault_${value}`) ? t(`fault_${value}`) : value;
}

/** A figure's name and its value with a unit, as [name, text]. */
function figure(key, value, sites) {
  if (typeof value !== "number") return [named("ev_", key), word(key, String(value), sites)];
  const plus = CHANGES.test(key) && value > 0 ? "+" : "";
  const unit = UNITS.find(([suffix]) => key.endsWith(suffix));
  if (unit) {
    const [suffix, name, digits] = unit;
    return [named("ev_", key.slice(0, -suffix.length)), `${plus}${number(value, digits)} ${name()}`];
  }
  if (SHARES.test(key)) return [named("ev_", key), `${plus}${number(value * 100)} %`];
  return [named("ev_", key), number(value, Number.isInteger(value) ? 0 : 3)];
}

function evidence(alert, sites) {
  const figures = Object.entries(alert.evidence).filter(([key]) => !SHOWN_ELSEWHERE.includes(key));
  const pairs = figures.map(([key, value]) => {
    const [name, text] = figure(key, value, sites);
    return el("div", {}, el("dt", {}, name), el("dd", {}, text));
  });
  return pairs.length ? [el("h4", {}, t("evidence")), el("dl", { class: "evidence" }, ...pairs)] : [];
}

/** What a line of the timeline says beside what happened: who said so, or whom a text went to. */
function detailOf(entry) {
  if (!entry.contact) return entry.detail;
  return `${entry.contact} ${entry.detail} (${reasonName(entry.reason)})`;
}

function timeline(alert, zone) {
  const items = (alert.timeline ?? []).map((entry) => {
    const detail = detailOf(entry);
    const time = el("time", { datetime: entry.at }, instant(entry.at, zone));
    const more = detail ? el("span", { class: "quiet" }, detail) : null;
    return el("li", {}, time, el("span", { class: "what" }, named("what_", entry.what)), more);
  });
  return items.length ? [el("h4", {}, t("timeline")), el("ol", { class: "timeline" }, ...items)] : [];
}

/** How long after the alert fired each answer came. */
function answers(alert) {
  const { response = {} } = alert;
  const known = ["told", "delivered", "acknowledged", "on_site", "resolved"].filter((name) => typeof response[`${name}_min`] === "number");
  const items = known.map((name) => el("div", {}, el("dt", {}, named("what_", name)), el("dd", {}, t("after", { length: span(response[`${name}_min`]) }))));
  return items.length ? [el("h4", {}, t("answers")), el("dl", { class: "response" }, ...items)] : [];
}

function texts(alert, zone) {
  const messages = [...(alert.messages ?? [])].sort((a, b) => a.id - b.id); // as they were queued
  const none = messages.length ? null : el("p", { class: "quiet" }, t("noTexts"));
  return [el("h4", {}, t("texts")), none, el("div", { class: "phones" }, ...messages.map((m) => phone(m, zone)))];
}

function title(alert, place) {
  const audience = hasText(`audience_${alert.audience}`) ? t(`audience_${alert.audience}`) : alert.audience;
  const age = el("time", { datetime: alert.since, "data-ago": alert.since });
  const [before, after] = t("since", { time: instant(alert.since, place.timezone), age: "\n" }).split("\n");
  return [
    el("p", { class: "code" }, sign("alert"), `#${alert.code}`),
    el(
      "div",
      {},
      el("h3", {}, `${place.name}: ${kindName(alert.kind)}`),
      el("p", { class: "quiet" }, before, age, `${after} · ${audience}`),
    ),
  ];
}

const SILENCES_H = [4, 24, 72];

/** What people can say of an alert: each button calls one of `acts` with the alert. */
function createButtons(acts) {
  let current = null;
  const button = (name, act) => el("button", { type: "button", class: name, onclick: () => act(current) }, t(name));
  const hours = el("select", { "aria-label": t("silenceFor") }, ...SILENCES_H.map((h) => el("option", { value: h }, span(h * 60))));
  const buttons = {
    acknowledged_at: button("acknowledge", acts.acknowledge),
    on_site_at: button("onSite", acts.onSite),
    false_alarm_at: button("falseAlarm", acts.falseAlarm),
  };
  const mute = el("span", { class: "mute" }, hours, button("silence", (alert) => acts.silence(alert, Number(hours.value))));
  const node = el("div", { class: "buttons-row" }, ...Object.values(buttons), mute);

  function update(alert) {
    current = alert;
    node.hidden = alert.state !== "firing";
    for (const [said, each] of Object.entries(buttons)) each.hidden = alert[said] !== null;
  }
  return { node, update };
}

const SAID = [
  ["acknowledged", "acknowledged"],
  ["on_site", "onSiteBy"],
  ["false_alarm", "falseAlarmBy"],
];

function saidBy(alert, zone) {
  const said = SAID.filter(([name]) => alert[`${name}_at`]);
  return said.map(([name, text]) => el("p", { class: "done-by" }, t(text, { by: alert[`${name}_by`], time: instant(alert[`${name}_at`], zone) })));
}

/** One alert, whole; `update(alert, place)` with its timeline and messages; `acts` null: to read. */
export function createAlert(acts) {
  const head = el("header", { class: "alert-head" });
  const facts = el("p", { class: "explanation", lang: "en" });
  const figures = el("div", {});
  const story = el("div", {});
  const told = el("div", { class: "told" });
  const buttons = acts && createButtons(acts);
  const after = el("div", { class: "said" });
  const left = el("div", { class: "facts" }, facts, figures, el("div", { class: "take" }, buttons && buttons.node, after), story);
  const node = el("article", { class: "alert-card" }, head, left, told);

  function update(alert, place) {
    node.setAttribute("data-alert", alert.id);
    node.setAttribute("aria-label", `#${alert.code} ${place.name}: ${kindName(alert.kind)}`);
    rebuild(head, [alert.code, alert.kind, alert.since, alert.audience, place], () => title(alert, place));
    setText(facts, alert.explanation);
    rebuild(figures, [alert.evidence, place.sites], () => evidence(alert, place.sites));
    rebuild(story, [alert.timeline, alert.response], () => [...answers(alert), ...timeline(alert, place.timezone)]);
    rebuild(told, alert.messages, () => texts(alert, place.timezone));
    buttons?.update(alert);
    rebuild(after, SAID.map(([name]) => alert[`${name}_at`]), () => saidBy(alert, place.timezone));
  }
  return { node, update };
}

function over(alert, place) {
  if (!alert.resolved_at) return "";
  return t("resolvedAt", {
    time: instant(alert.resolved_at, place.timezone),
    length: length(alert.since, alert.resolved_at),
  });
}

/** An alert that is over: one line, the rest behind it, fetched when opened. */
export function createPast(load) {
  const line = el("summary", {});
  const body = createAlert(null);
  const problem = el("p", { class: "form-error", role: "status" });
  const node = el("details", { class: "past" }, line, problem, body.node);
  let current = null;
  node.addEventListener("toggle", async () => {
    if (!node.open || current === null) return;
    const [brief, place] = current;
    body.update(brief, place); // what the list said, until the rest is there
    try {
      body.update(await load(brief), place);
      setText(problem, "");
    } catch (error) {
      setText(problem, t("failedLoad", { what: `#${brief.code}`, reason: error.message }));
    }
  });

  function update(alert, place) {
    current = [alert, place];
    setText(line, `#${alert.code} · ${place.name} · ${kindName(alert.kind)} · ${over(alert, place)}`);
  }
  return { node, update };
}

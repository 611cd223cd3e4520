// Alerts: what is wrong, what that rests on, who was told and in which words.

import { el, rebuild, setText, sign } from "./dom.js";
import { instant, length, number } from "./format.js";
import { phone } from "./phone.js";
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

function timeline(alert, zone) {
  const items = (alert.timeline ?? []).map((entry) => {
    const detail = entry.detail ? el("span", { class: "quiet" }, entry.detail) : null;
    const time = el("time", { datetime: entry.at }, instant(entry.at, zone));
    return el("li", {}, time, el("span", { class: "what" }, named("what_", entry.what)), detail);
  });
  return items.length ? [el("h4", {}, t("timeline")), el("ol", { class: "timeline" }, ...items)] : [];
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

/** One alert, whole; `update(alert, place)` with its timeline and messages. */
export function createAlert(acknowledge) {
  const head = el("header", { class: "alert-head" });
  const facts = el("p", { class: "explanation", lang: "en" });
  const figures = el("div", {});
  const story = el("div", {});
  const told = el("div", { class: "told" });
  const button = el("button", { type: "button", class: "acknowledge", hidden: true, onclick: () => acknowledge(current) }, t("acknowledge"));
  const after = el("p", { class: "done-by" });
  const left = el("div", { class: "facts" }, facts, figures, el("div", { class: "take" }, button, after), story);
  const node = el("article", { class: "alert-card" }, head, left, told);
  let current = null;

  function update(alert, place) {
    current = alert;
    node.setAttribute("data-alert", alert.id);
    node.setAttribute("aria-label", `#${alert.code} ${place.name}: ${kindName(alert.kind)}`);
    rebuild(head, [alert.code, alert.kind, alert.since, alert.audience, place], () => title(alert, place));
    setText(facts, alert.explanation);
    rebuild(figures, [alert.evidence, place.sites], () => evidence(alert, place.sites));
    rebuild(story, alert.timeline, () => timeline(alert, place.timezone));
    rebuild(told, alert.messages, () => texts(alert, place.timezone));
    button.hidden = alert.acknowledged_at !== null || alert.state !== "firing";
    const by = { by: alert.acknowledged_by, time: alert.acknowledged_at && instant(alert.acknowledged_at, place.timezone) };
    setText(after, alert.acknowledged_at === null ? "" : t("acknowledged", by));
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
  const body = createAlert(() => {});
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

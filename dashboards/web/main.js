// The page: asks, and hands what it hears to the parts that show it. Wiring only.

import * as api from "./api.js";
import { createAlert, createPast, kindName } from "./alerts.js";
import { createCard } from "./cards.js";
import { showDevices } from "./devices.js";
import { el, rebuild, setText, sign } from "./dom.js";
import { ago, clockTime, number, wallTime } from "./format.js";
import { askForKey } from "./key.js";
import { ALL, POLL_S, follow } from "./live.js";
import { createPeople, monthLine } from "./people.js";
import { LANGUAGES, language, preferredLanguage, setLanguage, t } from "./texts.js";

const HEALTH_MS = 15000;
const byId = (id) => document.getElementById(id);

const state = {
  kahrizes: [],
  alerts: null,
  devices: null,
  people: null,
  clock: { base: Date.now(), heard: Date.now(), speed: 1 },
  link: { state: "connecting", since: new Date() },
  health: null,
  error: null,
};
const cards = new Map();
const shown = { firing: new Map(), past: new Map(), people: new Map() };

/** The time at the kahrizes: the service's, carried on at its speed since we heard it. */
function now() {
  const { base, heard, speed } = state.clock;
  return new Date(base + (Date.now() - heard) * speed);
}

function place(id) {
  const kahriz = state.kahrizes.find((each) => each.id === id);
  const sites = Object.fromEntries((kahriz?.sites ?? []).map((site) => [site.id, site.name]));
  return { name: kahriz?.name ?? id, timezone: kahriz?.timezone ?? "UTC", sites };
}

// ---- what is asked ------------------------------------------------------------------------

async function loadKahrizes() {
  const answer = await api.kahrizes();
  state.clock = { base: Date.parse(answer.now), heard: Date.now(), speed: answer.speed };
  state.kahrizes = answer.kahrizes;
  showCards();
  tick(); // at once: what was drawn anew has no age yet
}

async function loadAlerts() {
  const { alerts } = await api.alerts();
  const details = alerts.filter((a) => a.state === "firing").map((a) => api.alert(a.id));
  const before = state.alerts;
  state.alerts = { all: alerts, firing: await Promise.all(details) };
  if (before) announce(before.firing, state.alerts.firing);
  showAlerts();
  tick();
}

async function loadDevices() {
  state.devices = (await api.devices()).devices;
  drawDevices();
  tick();
}

async function loadPeople() {
  const [{ contacts }, { silences }, month] = await Promise.all([api.contacts(), api.silences(), api.month()]);
  state.people = { contacts, silences, month };
  showPeople();
}

async function loadHealth() {
  try {
    state.health = await api.health();
  } catch {
    state.health = null; // no answer at all: the line itself says so
  }
  showTrouble();
}

async function load(topics) {
  const has = (...names) => names.some((name) => topics.includes(name));
  if (has("latest", "water", "alerts")) await loadKahrizes();
  const rest = [];
  if (has("alerts", "messages")) rest.push(loadAlerts());
  if (has("devices")) rest.push(loadDevices());
  if (has("people", "messages")) rest.push(loadPeople());
  if (has("water")) cards.forEach((card) => card.updateDays());
  await Promise.all(rest);
}

const waiting = new Set();
let running = null;

/** Ask for `topics` again; one round at a time, what comes meanwhile makes one more round. */
function refresh(topics) {
  topics.forEach((topic) => waiting.add(topic));
  running ??= round().finally(() => {
    running = null;
  });
  return running;
}

async function round() {
  while (waiting.size > 0) {
    const topics = [...waiting];
    waiting.clear();
    try {
      await load(topics);
      state.error = null;
    } catch (error) {
      state.error = error;
      waiting.clear();
    }
    showTrouble();
    tick();
  }
  return state.error === null || state.error.status > 0;
}

// ---- what is shown ------------------------------------------------------------------------

function showCards() {
  const holder = byId("cards");
  if (state.kahrizes.length === 0) {
    rebuild(holder, "none", () => [el("p", { class: "empty" }, t("noKahrizes"))]);
    return;
  }
  const ids = state.kahrizes.map((k) => k.id);
  rebuild(holder, [language(), ids], () => {
    cards.forEach((card) => card.destroy());
    cards.clear();
    state.kahrizes.forEach((k) => cards.set(k.id, createCard(k, now)));
    cards.forEach((card) => card.updateDays());
    return [...cards.values()].map((card) => card.node);
  });
  state.kahrizes.forEach((k) => cards.get(k.id).update(k));
}

/** Keep one drawn thing an alert: made once, updated in place, so focus and reading survive. */
function keep(map, alerts, create) {
  const ids = new Set(alerts.map((alert) => alert.id));
  [...map.keys()].filter((id) => !ids.has(id)).forEach((id) => map.delete(id));
  return alerts.map((alert) => {
    if (!map.has(alert.id)) map.set(alert.id, create());
    map.get(alert.id).update(alert, place(alert.kahriz));
    return map.get(alert.id).node;
  });
}

function pendingLine(alerts) {
  const names = alerts.map((a) => `${place(a.kahriz).name}: ${kindName(a.kind)}`);
  return el("p", { class: "pending" }, el("b", {}, t("pendingAlerts")), ` · ${names.join(" · ")}`);
}

function showAlerts() {
  const { all, firing } = state.alerts;
  const past = all.filter((a) => a.state === "resolved" && a.fired_at).slice(0, 10);
  const pending = all.filter((a) => a.state === "pending");
  const calm = el("p", { class: "calm" }, sign("ok"), t("noAlerts"));
  const nodes = keep(shown.firing, firing, () => createAlert(acts));
  const old = keep(shown.past, past, () => createPast((alert) => api.alert(alert.id)));
  const ids = [language(), firing.map((a) => a.id), pending.map((a) => [a.kahriz, a.kind])];
  rebuild(byId("alerts-body"), ids, () => [
    ...(nodes.length ? nodes : [calm]),
    pending.length ? pendingLine(pending) : null,
  ]);
  byId("earlier").hidden = old.length === 0;
  rebuild(byId("earlier-body"), [language(), past.map((a) => a.id)], () => old);
}

function showPeople() {
  const ids = state.kahrizes.map((k) => k.id);
  rebuild(byId("people-body"), [language(), ids], () => {
    shown.people.clear();
    ids.forEach((id) => shown.people.set(id, createPeople(id, acts)));
    return [...shown.people.values()].map((each) => each.node);
  });
  state.kahrizes.forEach((k) => shown.people.get(k.id).update(k, state.people));
  setText(byId("month"), monthLine(state.people.month));
}

function announce(before, after) {
  const known = new Set(before.map((a) => a.id));
  const still = new Set(after.map((a) => a.id));
  const words = (a) => ({ code: a.code, kahriz: place(a.kahriz).name, kind: kindName(a.kind) });
  const news = [
    ...after.filter((a) => !known.has(a.id)).map((a) => t("newAlert", words(a))),
    ...before.filter((a) => !still.has(a.id)).map((a) => t("alertOver", words(a))),
  ];
  if (news.length) setText(byId("announce"), news.join(". "));
}

function drawDevices() {
  const names = new Map(state.kahrizes.map((k) => [k.id, k.name]));
  showDevices(byId("devices-body"), state.devices, names);
}

function troubles() {
  const { link, health, error } = state;
  if (link.state === "lost") return [t("lostWhy", { time: wallTime(link.since) })];
  if (error?.status === 401 || error?.status === 403) return [t("needKey")];
  if (error) return [t("failedLoad", { what: t("kahrizes"), reason: error.message })];
  if (health?.status !== "degraded") return [];
  const bad = health.checks.filter((check) => !check.ok).map((check) => [check.name, check.detail].filter(Boolean).join(": "));
  const since = health.since ? wallTime(new Date(health.since)) : "?";
  return [t("degraded", { time: since, checks: bad.join("; ") })];
}

function showTrouble() {
  const bar = byId("trouble");
  const lines = troubles();
  const wantsKey = state.error?.status === 401 || state.error?.status === 403;
  bar.hidden = lines.length === 0;
  rebuild(bar, [language(), lines, wantsKey], () => [
    sign("alert"),
    ...lines.map((line) => el("span", {}, line)),
    wantsKey ? el("button", { type: "button", onclick: enterKey }, t("enterKey")) : null,
  ]);
}

function showLink() {
  const { link } = state;
  const words = {
    live: t("live"),
    connecting: t("connecting"),
    polling: t("polling", { seconds: POLL_S }),
    lost: t("lost", { time: wallTime(link.since) }),
  };
  const node = byId("link");
  node.className = `link ${link.state}`;
  rebuild(node, [language(), words[link.state]], () => [el("i", { "aria-hidden": "true" }), words[link.state]]);
}

/** What moves by itself: the clock and every age. */
function tick() {
  const at = now();
  const zone = state.kahrizes[0]?.timezone;
  if (zone) {
    setText(byId("clock"), clockTime(at, zone));
    byId("clock").dateTime = at.toISOString();
  }
  document.querySelectorAll("[data-ago]").forEach((node) => setText(node, ago(node.dataset.ago, at)));
  const { speed } = state.clock;
  byId("speed").hidden = speed === 1;
  setText(byId("speed"), t("simulated", { speed: number(speed) }));
}

// ---- what people do -----------------------------------------------------------------------

async function enterKey() {
  await askForKey(async () => {
    await api.kahrizes();
  });
  void refresh(ALL);
}

/** Do `attempt(name)` under a name and a key that may write, then ask for what it changed. */
async function say(attempt) {
  await askForKey(attempt, { onlyIfNeeded: true });
  void refresh(["alerts", "people"]);
}

const acts = {
  acknowledge: (alert) => say((name) => api.acknowledge(alert.id, name)),
  onSite: (alert) => say((name) => api.onSite(alert.id, name)),
  falseAlarm: (alert) => say((name) => api.falseAlarm(alert.id, name)),
  silence: (alert, hours) => say((name) => api.silence(alert.kahriz, alert.kind, hours, name)),
  endSilence: (silence) => say(() => api.endSilence(silence.id)),
  endWorks: (works) => say((name) => api.endWorks(works.kahriz, name)),
};

function showWords() {
  document.querySelectorAll("[data-text]").forEach((node) => setText(node, t(node.dataset.text)));
  byId("languages").setAttribute("aria-label", Object.values(LANGUAGES).join(", "));
  byId("languages").replaceChildren(
    ...Object.entries(LANGUAGES).map(([code, name]) =>
      el(
        "button",
        { type: "button", lang: code, title: name, "aria-label": name, "aria-pressed": String(code === language()), onclick: () => choose(code) },
        code.toUpperCase(),
      ),
    ),
  );
}

function choose(code) {
  setLanguage(code);
  shown.firing.clear();
  shown.past.clear();
  showWords();
  showLink();
  showTrouble();
  if (state.kahrizes.length) showCards();
  if (state.alerts) showAlerts();
  if (state.devices) drawDevices();
  if (state.people) showPeople();
  tick();
  byId("languages").querySelector("[aria-pressed=true]").focus();
}

function showState(link) {
  state.link = link;
  showLink();
  showTrouble();
}

setLanguage(preferredLanguage());
showWords();
follow(refresh, showState);
void loadHealth();
setInterval(loadHealth, HEALTH_MS);
setInterval(tick, 1000);

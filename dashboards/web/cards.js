// One card a kahriz: what runs now, what was delivered, and what that is for a person.

import * as api from "./api.js";
import { POINTS, createChart } from "./chart.js";
import { createDays } from "./days.js";
import { el, rebuild, setText, sign } from "./dom.js";
import { discharge, number, percent, volume } from "./format.js";
import { createLearning } from "./learning.js";
import { createNorms } from "./norms.js";
import { createOutlook } from "./outlook.js";
import { paced } from "./pace.js";
import { createRating } from "./rating.js";
import { t } from "./texts.js";

const RANGES = [1, 7, 30];
// Between two requests for the same thing, however fast the news: simulated days last minutes.
const CHART_PAUSE_MS = 2500;
const DAYS_PAUSE_MS = 5000;
const LEARNING_PAUSE_MS = 60000;
const OUTLOOK_PAUSE_MS = 60000;
const DAY_MS = 86400000;

function stateBadge(state) {
  return el("p", { class: `state ${state}` }, sign(state), t(`state_${state}`));
}

function heading(k) {
  const where = [k.village, k.district].filter(Boolean).join(", ");
  return [
    el("div", {}, el("h3", {}, k.name), el("p", { class: "quiet" }, `${where} · ${t(`use_${k.use}`)}`)),
    stateBadge(k.state),
  ];
}

function nowPart(k) {
  const now = k.outlet_now;
  const title = el("h4", {}, t("now"));
  if (now === null) return [title, el("p", { class: "figure" }, "–"), el("p", { class: "quiet" }, t("noReading"))];
  const value = el("p", { class: "figure" }, discharge(now.discharge_lps), el("span", { class: "unit" }, "L/s"));
  const age = el("time", { datetime: now.time, "data-ago": now.time });
  const line = el("p", { class: "quiet" }, age);
  if (now.quality >= 3) line.append(" · ", el("b", { class: "doubt" }, t(`qualityNow_${now.quality}`)));
  const into = k.delivery_now;
  const isOwn = into !== null && into.datastream !== now.datastream;
  const second = isOwn ? el("p", { class: "quiet" }, t("deliveryNow", { value: discharge(into.discharge_lps) })) : null;
  return [title, value, line, second];
}

function completenessBar(row) {
  const done = el("div", { class: "done" });
  done.style.width = `${Math.min(100, row.completeness * 100)}%`;
  return el("div", { class: "completeness", "aria-hidden": "true" }, done);
}

function yesterdayPart(k) {
  const row = k.yesterday;
  const title = el("h4", {}, t("yesterday"));
  if (row === null || row.volume_m3 === null || row.n === 0) {
    return [title, el("p", { class: "figure" }, "–"), el("p", { class: "quiet" }, t("noYesterday"))];
  }
  const value = el("p", { class: "figure" }, volume(row.volume_m3), el("span", { class: "unit" }, "m³"));
  const share = { percent: percent(row.completeness) };
  const words = row.is_complete
    ? el("p", { class: "quiet" }, t("completeness", share))
    : el("p", { class: "doubt" }, t("incomplete", share));
  const sure = row.volume_uncertainty_m3;
  const off = sure === null ? null : el("p", { class: "quiet" }, t("giveOrTake", { off: volume(2 * sure) }));
  return [title, value, off, completenessBar(row), words];
}

function placeholderNote(k) {
  if (!k.placeholder?.length && !k.access_note) return [];
  const notes = [];
  if (k.access_note) notes.push(el("p", { class: "access" }, sign("alert"), t("accessNote", { note: k.access_note })));
  if (k.placeholder?.length) notes.push(el("p", { class: "quiet tiny" }, t("placeholder", { fields: k.placeholder.join(", ") })));
  return notes;
}

/** The discharge of the first site of a kind, measured or derived; null where there is none. */
function dischargeOf(k, kind) {
  for (const site of k.sites.filter((each) => each.kind === kind)) {
    const id = `${k.id}.${site.id}.discharge`;
    if (k.datastreams.includes(id)) return id;
  }
  return null;
}

/** The part about how the outlet's stage becomes discharge; null where it is measured as such. */
function ratingOf(k) {
  const discharge = dischargeOf(k, "outlet");
  const site = discharge?.slice(0, -".discharge".length);
  return site && k.datastreams.includes(`${site}.stage`) ? createRating(site, k.name) : null;
}

function rangeSwitch(chosen, choose) {
  const buttons = RANGES.map((days) =>
    el("button", { type: "button", "aria-pressed": String(days === chosen()), onclick: () => pick(days) }, t(`range_${days}`)),
  );
  function pick(days) {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(RANGES[i] === days)));
    choose(days);
  }
  return el("div", { class: "segmented", role: "group", "aria-label": t("chart") }, ...buttons);
}

function chartLoader(chart, now) {
  let days = 7;
  let kahriz = null;

  async function load() {
    const [end, asked] = [now(), days];
    const start = new Date(end.getTime() - days * DAY_MS);
    const ids = [dischargeOf(kahriz, "outlet"), dischargeOf(kahriz, "delivery_line")];
    try {
      const answers = await Promise.all(ids.map((id) => id && api.observations(id, start, end, POINTS)));
      if (asked === days) await chart.draw(...answers, [start / 1000, end / 1000], kahriz.timezone);
    } catch (error) {
      chart.fail(t("failedLoad", { what: t("chart"), reason: error.message }));
    }
  }

  const loading = paced(load, CHART_PAUSE_MS);
  return {
    update: (k) => {
      kahriz = k;
      loading.soon();
    },
    show: (newDays) => {
      days = newDays;
      if (kahriz) loading.now();
    },
    days: () => days,
    stop: loading.stop,
  };
}

/** A card; `update(kahriz)` and `updateDays()` bring it up to date, `destroy()` lets go. */
export function createCard(first, now) {
  let known = first;
  const head = el("header", { class: "card-head" });
  const current = el("section", { class: "now" });
  const yesterday = el("section", { class: "yesterday" });
  const norms = createNorms();
  const chart = createChart(first.name);
  const loader = chartLoader(chart, now);
  const days = createDays();
  const outlook = createOutlook();
  const rating = ratingOf(first);
  const learning = createLearning();
  const notes = el("div");
  const chartTitle = el("div", { class: "chart-head" }, el("h4", {}, t("chart")), rangeSwitch(loader.days, loader.show));
  const node = el(
    "article",
    { class: "card", "data-kahriz": first.id },
    head,
    el("div", { class: "figures" }, current, yesterday),
    norms.node,
    el("section", { class: "chart-part" }, chartTitle, chart.node),
    days.node,
    outlook.node,
    rating?.node ?? el("div", { class: "rating" }),
    el("footer", { class: "notes" }, learning.node, notes),
  );

  function update(k) {
    known = k;
    node.setAttribute("aria-label", `${k.name}: ${t(`state_${k.state}`)}`);
    rebuild(head, [k.name, k.village, k.district, k.use, k.state], () => heading(k));
    rebuild(current, [k.outlet_now, k.delivery_now], () => nowPart(k));
    rebuild(yesterday, k.yesterday, () => yesterdayPart(k));
    rebuild(notes, [k.placeholder, k.access_note], () => placeholderNote(k));
    norms.update(k);
    loader.update(k);
  }

  async function loadDays() {
    try {
      days.update(await api.water(first.id), now());
    } catch (error) {
      days.fail(t("failedLoad", { what: t("days"), reason: error.message }));
    }
  }

  async function loadOutlook() {
    try {
      const answers = await Promise.all([api.statistics(first.id), api.summary(first.id)]);
      outlook.update(known, ...answers);
    } catch (error) {
      outlook.fail(t("failedLoad", { what: t("outlook"), reason: error.message }));
    }
  }

  async function loadLearning() {
    try {
      learning.update(await api.detection(first.id));
    } catch {
      // What was known stays: it changes by the day, and a line that is down says so elsewhere.
    }
  }

  const loadingDays = paced(loadDays, DAYS_PAUSE_MS);
  const loadingOutlook = paced(loadOutlook, OUTLOOK_PAUSE_MS);
  const loadingLearning = paced(loadLearning, LEARNING_PAUSE_MS);

  /** Bring up to date what changes by the day. */
  function updateDays() {
    loadingDays.soon();
    loadingOutlook.soon();
    loadingLearning.soon();
  }

  function destroy() {
    loader.stop();
    loadingDays.stop();
    loadingOutlook.stop();
    loadingLearning.stop();
    chart.destroy();
    rating?.destroy();
  }
  return { node, update, updateDays, destroy };
}

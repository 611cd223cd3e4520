// How stage becomes discharge at the outlet: the curve, what was gauged by hand, and what lies between.

import * as api from "./api.js";
import { colour, digitsOf, loadLibrary } from "./chart.js";
import { el, rebuild, setText } from "./dom.js";
import { NONE, dayLabel, discharge, localDay, number } from "./format.js";
import { hasText, t } from "./texts.js";

const HEIGHT = 220;
const COVERAGE = 2;
const APART = 1e-7; // two gaugings at one stage are two points

const day = (label) => `${dayLabel(label)} ${label.slice(0, 4)}`;
const centimetres = (metres) => number(metres * 100, 1);
const signed = (value, text) => (value > 0 ? `+${text}` : text);
const percent = (part) => (part === null ? NONE : `${signed(part, number(part * 100, 1))} %`);

function methodName(method) {
  return hasText(`rating_${method}`) ? t(`rating_${method}`) : method;
}

/** The one that holds now, or else the last; null where stage is not rated. */
function shownOf(ratings) {
  const now = ratings.findIndex((each) => each.holds_now);
  return ratings.length ? (now < 0 ? ratings.length - 1 : now) : null;
}

function heading(rating) {
  const until = rating.valid_to === null ? t("ratingSince", { day: day(rating.valid_from) }) : t("ratingFromTo", { start: day(rating.valid_from), end: day(rating.valid_to) });
  const version = rating.version ? t("ratingVersion", { version: rating.version }) : null;
  const limits = t("ratingLimits", { low: centimetres(rating.best_from_stage_m), high: centimetres(rating.highest_stage_m) });
  const words = [version, rating.author, until, limits, rating.note].filter(Boolean).join(" · ");
  return el("li", { class: rating.holds_now ? "holds" : null }, el("b", {}, methodName(rating.method)), el("span", { class: "quiet" }, words));
}

function verdict(rating, gaugings) {
  if (rating.n_gaugings === 0) return t(gaugings.length ? "ratingNoneComparable" : "ratingNoGaugings");
  const counts = { n: number(rating.n_gaugings), within: number(rating.n_within) };
  const part = rating.mean_residual;
  if (part === null) return t("ratingVerdict", counts);
  const mean = number(Math.abs(part) * 100, 1);
  return `${t("ratingVerdict", counts)} ${t(part < 0 ? "ratingMeanBelow" : "ratingMeanAbove", { percent: mean })}`;
}

/** What lies between: in L/s and as a part, with the word that says whether it matters. */
function off(gauging) {
  if (gauging.residual_lps === null) return [t(gauging.stage_m === null ? "ratingNoStage" : "ratingRefused")];
  const figure = signed(gauging.residual_lps, discharge(gauging.residual_lps));
  const words = [percent(gauging.residual), t(gauging.is_within ? "ratingWithin" : "ratingOutside")];
  return [figure, el("small", {}, words.join(" · "))];
}

function line(gauging, zone) {
  const figures = [
    gauging.stage_m === null ? NONE : centimetres(gauging.stage_m),
    `${discharge(gauging.discharge_lps)} ± ${discharge(COVERAGE * gauging.uncertainty_lps)}`,
    gauging.curve_lps === null ? NONE : discharge(gauging.curve_lps),
  ];
  const when = el("th", { scope: "row" }, day(localDay(new Date(gauging.at), zone)), el("small", {}, t(`gauged_${gauging.method}`)));
  const cells = figures.map((text) => el("td", {}, text));
  return el("tr", { class: gauging.is_within === false ? "outside" : null }, when, ...cells, el("td", {}, ...off(gauging)));
}

const COLUMNS = ["gaugedWhen", "gaugedStage", "gaugedFlow", "gaugedCurve", "gaugedOff"];

function table({ gaugings, timezone }) {
  if (gaugings.length === 0) return [];
  const head = COLUMNS.map((key) => el("th", { scope: "col" }, t(key)));
  return [el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...gaugings.map((each) => line(each, timezone))))];
}

/** Columns [stage cm, curve, highest, lowest, gauged within, gauged outside] in the order of stage. */
export function columnsOf(rating, gaugings) {
  const { stage_m: stages, discharge_lps: flows, uncertainty_lps: sure } = rating.curve;
  const rows = stages.map((stage, i) => [stage, flows[i], flows[i] + COVERAGE * sure[i], Math.max(0, flows[i] - COVERAGE * sure[i]), null, null]);
  gaugings
    .filter((each) => each.stage_m !== null)
    .forEach((each, i) => {
      const is_outside = each.is_within === false;
      rows.push([each.stage_m + (i + 1) * APART, undefined, undefined, undefined, is_outside ? null : each.discharge_lps, is_outside ? each.discharge_lps : null]);
    });
  rows.sort((a, b) => a[0] - b[0]);
  return rows[0].map((_, column) => rows.map((row) => (column === 0 ? row[0] * 100 : row[column])));
}

function options(uPlot, width) {
  const ink = { stroke: colour("muted"), font: `11px ${colour("font")}`, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 } };
  const labels = (plot, splits) => splits.map((value) => number(value, digitsOf(splits)));
  const curve = (stroke, lineWidth) => ({ stroke: colour(stroke), width: lineWidth, points: { show: false } });
  const dots = (stroke, fill) => ({ paths: () => null, points: { show: true, size: 8, width: 1.5, stroke: colour(stroke), fill: colour(fill) } });
  return {
    width,
    height: HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (plot, low, high) => [0, Math.max(high ?? 0, 0.1) * 1.05] } },
    axes: [
      { ...ink, size: 40, space: 50, values: labels, label: t("ratingAxisStage"), labelSize: 16, labelFont: ink.font },
      { ...ink, size: 40, space: 30, values: labels },
    ],
    series: [{}, curve("water", 2), curve("water-soft", 1), curve("water-soft", 1), dots("delivery", "card"), dots("trouble", "trouble")],
    bands: [{ series: [2, 3], fill: colour("water-wash") }],
  };
}

/** Heads gauged or reached lie low on a weir's curve: it is drawn to somewhat above the highest gauging. */
function cut(rating, gaugings) {
  const gauged = gaugings.filter((each) => each.stage_m !== null).map((each) => each.stage_m - rating.zero_stage_m);
  if (gauged.length === 0) return rating;
  const top = rating.zero_stage_m + Math.max(...gauged) * 1.5;
  const keep = rating.curve.stage_m.filter((stage) => stage <= top).length + 1;
  if (keep < 8) return rating;
  return { ...rating, curve: Object.fromEntries(Object.entries(rating.curve).map(([name, column]) => [name, column.slice(0, keep)])) };
}

function legend(kind, text) {
  return el("span", { class: `legend ${kind}` }, el("i", {}), text);
}

/** The folded part of a card about the outlet's rating; it asks when it is opened. */
export function createRating(site, name) {
  const list = el("ul", { class: "lines" });
  const words = el("p", { class: "verdict" });
  const problem = el("p", { class: "form-error", role: "status" });
  const holder = el("div", { class: "plot rating-plot", role: "img" });
  const legends = el("p", { class: "legends" }, legend("curve", t("ratingCurve")), legend("band", t("ratingBand")), legend("gauged", t("ratingGauged")), legend("off", t("ratingOff")));
  const residuals = el("div", { class: "table-holder gaugings" });
  const chart = el("div", { class: "chart" }, legends, holder);
  const body = el("div", { class: "rating-body" }, list, words, chart, residuals, problem);
  const node = el("details", { class: "rating" }, el("summary", {}, t("rating")), body);
  let plot = null;
  let latest = null;

  async function draw(rating, gaugings) {
    const uPlot = await loadLibrary();
    plot?.destroy();
    plot = null;
    if (holder.clientWidth === 0) return;
    plot = new uPlot(options(uPlot, holder.clientWidth), columnsOf(cut(rating, gaugings), gaugings), holder);
  }

  async function show(said) {
    latest = said;
    const shown = shownOf(said.ratings);
    const rating = shown === null ? null : said.ratings[shown];
    rebuild(list, said.ratings, () => said.ratings.map(heading));
    rebuild(residuals, said.gaugings, () => table(said));
    setText(words, rating === null ? t("ratingNone") : verdict(rating, said.gaugings));
    chart.hidden = rating === null;
    if (rating === null) return;
    const own = said.gaugings.filter((each) => each.rating === shown);
    holder.setAttribute("aria-label", t("ratingSummary", { name, method: methodName(rating.method), n: number(own.length) }));
    try {
      await draw(rating, own);
      setText(problem, "");
    } catch {
      setText(problem, t("chartMissing"));
    }
  }

  async function load() {
    if (!node.open) return;
    try {
      await show(await api.ratings(site));
    } catch (error) {
      setText(problem, t("failedLoad", { what: t("rating"), reason: error.message }));
    }
  }
  node.addEventListener("toggle", load);
  const again = () => latest && node.open && void show(latest);
  const sizes = new ResizeObserver(() => plot && plot.width !== holder.clientWidth && again());
  sizes.observe(holder);
  const theme = window.matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", again);

  function destroy() {
    sizes.disconnect();
    theme.removeEventListener("change", again);
    plot?.destroy();
    plot = null;
    latest = null;
  }
  return { node, destroy };
}

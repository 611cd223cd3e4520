// Discharge over the last days: outlet and delivery; gaps stay gaps, suspect values stay visible.

import { el, setText } from "./dom.js";
import { NONE, dayMonth, discharge, hourMinute, instant, number } from "./format.js";
import { t } from "./texts.js";

export const POINTS = 600; // asked of the service: twice the width of the widest card
const HEIGHT = 168;
const SUSPECT = 3;
const FAIL = 4;

let library = null;

/** Load uPlot once; a page without it must still show everything else. */
export function loadLibrary() {
  library ??= import("./vendor/uPlot.esm.js").then((module) => module.default);
  return library;
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** The longest pause, in seconds, that is still one line: a few samples, or two thinned buckets. */
function longestPause(answer, times) {
  const steps = times.slice(1).map((time, i) => time - times[i]);
  const bucket = (Date.parse(answer.end) - Date.parse(answer.start)) / 1000 / (POINTS / 2);
  return Math.max(3.5 * median(steps), answer.downsampled ? 2.5 * bucket : 0, 600);
}

/**
 * Turn one datastream's answer into columns [time s, line, suspect].
 *
 * FAIL and MISSING values become gaps, and so does every pause longer than `longestPause`.
 */
export function columnsOf(answer) {
  const values = answer.discharge_lps;
  const times = answer.time.map((iso) => Date.parse(iso) / 1000);
  const pause = longestPause(answer, times);
  const columns = [[], [], []];
  const put = (...row) => row.forEach((value, i) => columns[i].push(value));
  let failed = 0;
  times.forEach((time, i) => {
    if (i > 0 && time - times[i - 1] > pause) put(times[i - 1] + 1, null, null);
    const isUsable = values[i] !== null && answer.quality[i] < FAIL;
    if (answer.quality[i] === FAIL) failed += 1;
    put(time, isUsable ? values[i] : null, answer.quality[i] === SUSPECT ? values[i] : null);
  });
  return { columns, failed };
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Digits an axis's labels need to be true: steps of 2.5 need one, steps of 2 none. */
export function digitsOf(splits) {
  const step = splits.length > 1 ? splits[1] - splits[0] : 1;
  const isWhole = (digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6;
  return [0, 1, 2].find(isWhole) ?? 3;
}

function axisTimes(zone) {
  return (plot, splits, axis, space, increment) =>
    splits.map((seconds) => {
      const date = new Date(seconds * 1000);
      const time = hourMinute(date, zone);
      return increment >= 86400 || time === "00:00" ? dayMonth(date, zone) : time;
    });
}

function options(uPlot, width, zone, span, readout) {
  const grid = { stroke: colour("line"), width: 1 };
  const ink = { stroke: colour("muted"), font: `11px ${colour("font")}`, ticks: { show: false } };
  const line = (stroke, more) => ({ stroke: colour(stroke), points: { show: false }, ...more });
  const diamonds = {
    paths: () => null,
    points: { show: true, size: 5, width: 1.2, stroke: colour("trouble"), fill: colour("card") },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    ms: 1e-3,
    scales: {
      x: { time: true, range: () => span() },
      y: { range: (plot, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 0.1) * 1.12] },
    },
    axes: [
      { ...ink, grid: { show: false }, values: axisTimes(zone), space: 58, size: 26 },
      { ...ink, grid, size: 36, space: 34, values: (plot, splits) => splits.map((v) => number(v, digitsOf(splits))) },
    ],
    series: [
      {},
      line("water", { width: 2, fill: colour("water-wash") }),
      diamonds,
      line("delivery", { width: 1.2 }),
      diamonds,
    ],
    hooks: { setCursor: [(plot) => readout(plot.cursor.idx)] },
  };
}

/** The nearest value of a column to a position, within a few: the two lines' times may differ. */
function near(column, idx) {
  for (const step of [0, -1, 1, -2, 2, -3, 3]) {
    const value = column[idx + step];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

function legendItem(kind, text) {
  const value = el("b", {});
  return { value, node: el("span", { class: `legend ${kind}` }, el("i", {}), text, " ", value) };
}

/** A chart in a card: `draw(outlet, delivery, span, zone)` with answers of the service, or null. */
export function createChart(name) {
  const plotHolder = el("div", { class: "plot", role: "img" });
  const items = [legendItem("outlet", t("outlet")), legendItem("delivery", t("delivery"))];
  const suspect = legendItem("suspect", t("suspect"));
  const when = el("span", { class: "when" });
  const legend = el("p", { class: "legends" }, ...items.map((item) => item.node), suspect.node, when);
  const note = el("p", { class: "quiet note" });
  const node = el("div", { class: "chart" }, legend, plotHolder, note);
  let plot = null;
  let zone = "UTC";
  let span = [0, 1];
  let latest = null;

  function readout(idx) {
    const data = plot?.data;
    const isOver = data && idx !== null && idx !== undefined;
    setText(when, isOver ? instant(data[0][idx] * 1000, zone) : "");
    items.forEach((item, i) => setText(item.value, isOver ? discharge(near(data[1 + 2 * i], idx)) : ""));
  }

  function describe(outlet, failed, isEmpty) {
    const seen = outlet.filter((value) => value !== null && value !== undefined);
    const [min, max] = [Math.min(...seen), Math.max(...seen)];
    const words = { name, min: discharge(min), max: discharge(max), last: seen.length ? discharge(seen.at(-1)) : NONE };
    plotHolder.setAttribute("aria-label", isEmpty ? t("chartNone") : t("chartSummary", words));
    setText(note, isEmpty ? t("chartNone") : failed ? t("chartFailed", { n: number(failed) }) : "");
  }

  async function draw(outlet, delivery, newSpan, newZone) {
    [latest, span, zone] = [[outlet, delivery, newSpan, newZone], newSpan, newZone];
    let uPlot;
    try {
      uPlot = await loadLibrary();
    } catch {
      setText(note, t("chartMissing"));
      return;
    }
    const parts = [outlet, delivery].map((answer) =>
      answer ? columnsOf(answer) : { columns: [[], [], []], failed: 0 },
    );
    const data = uPlot.join(parts.map((part) => part.columns));
    items[1].node.hidden = delivery === null;
    suspect.node.hidden = ![2, 4].some((i) => data[i].some((value) => value !== null && value !== undefined));
    describe(data[1], parts[0].failed + parts[1].failed, data[0].length === 0);
    if (plot) plot.setData(data);
    else if (plotHolder.clientWidth > 0) {
      plot = new uPlot(options(uPlot, plotHolder.clientWidth, zone, () => span, readout), data, plotHolder);
    }
  }

  function restart() {
    plot?.destroy();
    plot = null;
    if (latest) void draw(...latest);
  }

  const sizes = new ResizeObserver(() => {
    if (plot) plot.setSize({ width: plotHolder.clientWidth, height: HEIGHT });
    else if (latest) void draw(...latest);
  });
  sizes.observe(plotHolder);
  const theme = window.matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", restart);

  function destroy() {
    sizes.disconnect();
    theme.removeEventListener("change", restart);
    plot?.destroy();
    plot = null;
    latest = null;
  }

  function fail(text) {
    setText(note, text);
  }
  return { node, draw, fail, destroy };
}

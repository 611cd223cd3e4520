// Water delivered day by day: a column a day, and the same as a table.

import { el, rebuild, setText } from "./dom.js";
import { NONE, dayLabel, localDay, number, percent, volume } from "./format.js";
import { t } from "./texts.js";

function next(label) {
  const date = new Date(`${label}T12:00:00Z`);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}

/** Every day from the first row to the last: a day without a row is a day without a measurement. */
function calendar(rows, today) {
  const byLabel = new Map(rows.map((row) => [row.label, row]));
  const labels = [...byLabel.keys()].sort();
  const days = [];
  for (let label = labels[0]; label && label <= labels.at(-1); label = next(label)) {
    days.push({ label, row: byLabel.get(label) ?? null, isToday: label === today });
  }
  return days.slice(-31);
}

const isEmpty = (day) => day.row === null || day.row.volume_m3 === null || day.row.n === 0;

function kind(day) {
  if (isEmpty(day)) return "none";
  if (day.isToday) return "today";
  return day.row.is_complete ? "complete" : "incomplete";
}

function sentence(day) {
  const name = dayLabel(day.label);
  if (isEmpty(day)) return t("dayEmpty", { day: name });
  const { volume_m3, completeness, lpcd } = day.row;
  const parts = [t("dayLine", { day: name, volume: volume(volume_m3), percent: percent(completeness) })];
  if (lpcd !== null) parts.push(t("dayLpcd", { lpcd: number(lpcd) }));
  if (day.isToday) parts.push(t("today"));
  return parts.join(" · ");
}

function summary(days) {
  const past = days.filter((day) => !day.isToday && !isEmpty(day));
  const incomplete = days.filter((day) => !day.isToday && kind(day) !== "complete").length;
  const sum = volume(past.reduce((total, day) => total + day.row.volume_m3, 0));
  const n = number(days.filter((day) => !day.isToday).length);
  return t(incomplete ? "daysSum" : "daysSumAll", { sum, n, incomplete: number(incomplete) });
}

function columns(days, line) {
  const highest = Math.max(...days.map((day) => day.row?.volume_m3 ?? 0), 1e-9);
  const bars = days.map((day) => {
    const bar = el("div", { class: "bar" });
    bar.style.height = `${Math.max(2, ((day.row?.volume_m3 ?? 0) / highest) * 100)}%`;
    const explain = () => setText(line, sentence(day));
    return el("div", { class: `day ${kind(day)}`, onpointerenter: explain, onclick: explain }, bar);
  });
  // The table below says the same to those who do not see the columns.
  const leave = () => setText(line, summary(days));
  return el("div", { class: "columns", "aria-hidden": "true", onpointerleave: leave }, ...bars);
}

function cells(day) {
  const note = kind(day) === "today" ? ` · ${t("today")}` : "";
  if (isEmpty(day)) return [dayLabel(day.label) + note, NONE, NONE, "0 %", NONE];
  const row = day.row;
  const sign = row.is_complete ? "" : " ◐";
  return [
    dayLabel(day.label) + note,
    volume(row.volume_m3),
    row.lpcd === null ? NONE : number(row.lpcd),
    `${percent(row.completeness)} %${sign}`,
    number(row.revision),
  ];
}

function table(days) {
  const head = ["day", "volume", "lpcd", "measured", "revision"].map((key) => el("th", { scope: "col" }, t(key)));
  const lines = [...days].reverse().map((day) => {
    const [name, ...figures] = cells(day);
    const row = el("tr", {}, el("th", { scope: "row" }, name));
    row.append(...figures.map((text) => el("td", {}, text)));
    row.className = kind(day);
    return row;
  });
  return el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...lines));
}

/** The part of a card about the last 30 days; `update(water, now)` redraws it when it changed. */
export function createDays() {
  const body = el("div", {});
  const details = el("details", { class: "as-table" }, el("summary", {}, t("asTable")));
  const tableHolder = el("div", { class: "table-holder" });
  details.append(tableHolder);
  const node = el("section", { class: "days" }, el("h4", {}, t("days")), body, details);

  function build(days) {
    details.hidden = days.length === 0;
    if (days.length === 0) return [el("p", { class: "quiet" }, t("daysNone"))];
    const line = el("p", { class: "verdict" }, summary(days));
    const ends = [days[0], days.at(-1)].map((day) => el("span", {}, dayLabel(day.label)));
    return [columns(days, line), el("p", { class: "ends", "aria-hidden": "true" }, ...ends), line];
  }

  function update(water, now) {
    const days = calendar(water.rows, localDay(now, water.timezone));
    rebuild(body, days, () => build(days));
    rebuild(tableHolder, days, () => [table(days)]);
  }

  function fail(text) {
    rebuild(body, text, () => [el("p", { class: "error" }, text)]);
  }
  return { node, update, fail };
}

// Figures, times and ages as people write them, in the language chosen and the kahriz's own zone.

import { language, t } from "./texts.js";

const formats = new Map();

// Browsers know few words of Azerbaijani: months and days come from our own texts, digits from a
// locale they all know that groups them the same way.
const DIGITS = { az: "tr", en: "en-GB", ru: "ru" };

function cached(kind, locale, options) {
  const key = `${kind}|${locale}|${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl[kind](locale, options));
  return formats.get(key);
}

function partsOf(date, timeZone) {
  const format = cached("DateTimeFormat", "en-GB", {
    year: "numeric",
    month: "2-digit",
    day: "numeric",
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    timeZone,
  });
  return Object.fromEntries(format.formatToParts(date).map((part) => [part.type, part.value]));
}

export const NONE = "–";

export function number(value, digits = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  return cached("NumberFormat", DIGITS[language()], {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

/** Litres a second, to about three figures: a weir says no more. */
export function discharge(lps) {
  return number(lps, Math.abs(lps) < 9.995 ? 2 : 1);
}

export function volume(m3) {
  return number(m3, Math.abs(m3) < 100 ? 1 : 0);
}

/** Whole per cent, but never 100 for a day that lacks something. */
export function percent(fraction) {
  const whole = Math.floor(fraction * 100 + 1e-6);
  return number(fraction > 0 && whole === 0 ? 1 : whole);
}

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

export function hourMinute(date, timeZone) {
  const { hour, minute } = partsOf(date, timeZone);
  return `${hour}:${minute}`;
}

export function dayMonth(date, timeZone) {
  const { day, month } = partsOf(date, timeZone);
  return `${Number(day)} ${t("months").split(" ")[Number(month) - 1]}`;
}

export function clockTime(date, timeZone) {
  const weekday = t("weekdays").split(" ")[WEEKDAYS.indexOf(partsOf(date, timeZone).weekday)];
  return `${weekday} ${dayMonth(date, timeZone)}, ${hourMinute(date, timeZone)}`;
}

export function instant(when, timeZone) {
  const date = new Date(when);
  return `${dayMonth(date, timeZone)}, ${hourMinute(date, timeZone)}`;
}

/** The time on the reader's own clock, to the second. */
export function wallTime(date) {
  return cached("DateTimeFormat", "en-GB", { timeStyle: "medium", hourCycle: "h23" }).format(date);
}

/** "21 Nov" of a label "2026-11-21"; the label is a local day already, so no zone is applied. */
export function dayLabel(label) {
  return dayMonth(new Date(`${label}T12:00:00Z`), "UTC");
}

/** The local day of an instant as "2026-11-21". */
export function localDay(date, timeZone) {
  const { year, month, day } = partsOf(date, timeZone);
  return `${year}-${month}-${day.padStart(2, "0")}`;
}

export function ago(iso, now) {
  const seconds = Math.max(0, (now.getTime() - new Date(iso).getTime()) / 1000);
  if (seconds < 90) return t("ago_s", { n: number(Math.round(seconds)) });
  if (seconds < 5400) return t("ago_m", { n: number(Math.round(seconds / 60)) });
  if (seconds < 129600) return t("ago_h", { n: number(Math.round(seconds / 3600)) });
  return t("ago_d", { n: number(Math.round(seconds / 86400)) });
}

/** A length of time in whole minutes, hours or days. */
export function span(minutes) {
  if (minutes < 1) return t("len_0");
  if (minutes < 90) return t("len_m", { n: number(Math.round(minutes)) });
  if (minutes < 2160) return t("len_h", { n: number(Math.round(minutes / 60)) });
  return t("len_d", { n: number(Math.round(minutes / 1440)) });
}

export const length = (fromIso, toIso) => span((new Date(toIso) - new Date(fromIso)) / 60000);

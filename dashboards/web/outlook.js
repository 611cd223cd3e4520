// What the water comes to: service, losses, a year of it, and what lies ahead. Each figure beside
// how sure it is and how much of its time is known.

import { el, rebuild } from "./dom.js";
import { NONE, dayLabel, number, percent, span, volume } from "./format.js";
import { hasText, t } from "./texts.js";

const SURE = 2; // standard uncertainties: about 95 %

const normName = (name) => (hasText(`norm_${name}`) ? t(`norm_${name}`) : name);
const known = (n, of) => t("knownDays", { n: number(n), of: number(of) });

/** From low to high as one figure where both read the same. */
function range(low, high, write) {
  const [from, to] = [write(low), write(high)];
  return from === to ? from : t("range", { from, to });
}

/** The norm that is spoken of: the design norm, or the highest there is. */
function spoken(norms) {
  const byLitres = [...norms].sort((a, b) => a.lpcd - b.lpcd);
  return byLitres.find((norm) => norm.name === "design") ?? byLitres.at(-1) ?? null;
}

/** The longest interruption; one that a gap cut may have been longer. */
function longest({ longest_h: hours, is_longest_whole: isWhole }) {
  return isWhole ? span(hours * 60) : t("atLeast", { sum: span(hours * 60) });
}

function service(found) {
  if (found === null || found.share === null) return null;
  const { completeness } = found.rests_on[0];
  const times = found.interruptions
    ? t("interruptions", { n: number(found.interruptions), longest: longest(found) })
    : t("noInterruption");
  return [
    t("service"),
    t("ofTheTime", { percent: percent(found.share) }),
    `${times} · ${t("measuredPart", { percent: percent(completeness) })}`,
  ];
}

function lost({ is_certain: isCertain, loss_m3: m3, share }) {
  if (!isCertain) return t("notTold");
  return m3 > 0 && share !== null ? `${percent(share)} %` : t("gain");
}

function loss(found) {
  if (found === null) return null;
  const figures = { loss: volume(found.loss_m3), sure: volume(SURE * found.uncertainty_m3) };
  const notes = [t("lossFigures", figures), known(found.known_days, found.days), t("lossWhat")];
  if (found.reservoir === "not_counted") notes.push(t("tankNotCounted"));
  return [t("loss"), lost(found), notes.join(" · ")];
}

// A canal that is shut at night has no flow that leaks would show in.
function night(found, use) {
  if (use !== "drinking") return null;
  const last = found?.nights.findLast((each) => each.night_flow_lps !== null);
  if (!last) return null;
  const sure = number(SURE * (last.night_flow_uncertainty_lps ?? NaN), 2);
  const nights = t("knownNights", { n: number(last.known_nights) });
  return [t("nightFlow"), `${number(last.night_flow_lps, 2)} L/s`, `± ${sure} · ${nights}`];
}

function year(found) {
  if (found.volume_m3 === null) return null;
  const water =
    found.volume_at_most_m3 === null
      ? t("atLeast", { sum: volume(found.volume_m3) })
      : range(found.volume_m3, found.volume_at_most_m3, volume);
  return [t("yearWater"), `${water} m³`, known(found.complete_days, found.days)];
}

function below(found, norm) {
  const days = found.norms.find((each) => each.name === norm?.name);
  if (!days || days.days_below === null) return null;
  const title = t("daysBelow", { lpcd: number(norm.lpcd), name: normName(norm.name) });
  const figure = t("ofKnown", { n: number(days.days_below), of: number(found.complete_days) });
  const most = { n: number(days.days_below_at_most), of: number(found.days) };
  return [title, figure, days.days_below_at_most > days.days_below ? t("atMostDays", most) : ""];
}

function trend(found) {
  if (found === null) return [t("trend"), NONE, t("trendTooShort")];
  const months = t("trendMonths", { n: number(found.months), of: number(found.of_months) });
  if (!found.is_significant) return [t("trend"), t("trendNone"), months];
  const { slope_lps_a_year: slope, slope_low: low, slope_high: high } = found;
  const ends = [low, high].map(Math.abs).sort((a, b) => a - b);
  const figures = range(...ends, (value) => number(value, 2));
  const word = t(slope < 0 ? "trendFalls" : "trendRises", { slope: number(Math.abs(slope), 2) });
  return [t("trend"), word, `${figures} · ${months}`];
}

function coming(found) {
  const { earliest, likely, latest } = found;
  if (!found.is_extrapolated) return t("belowNow");
  if (earliest === null) return t("notWithin");
  if (likely === null) return t("notBefore", { from: dayLabel(earliest) });
  if (latest === null) return t("likelyFrom", { from: dayLabel(earliest), likely: dayLabel(likely) });
  return t("betweenDays", { from: dayLabel(earliest), to: dayLabel(latest), likely: dayLabel(likely) });
}

function ahead(forecasts, norm) {
  if (norm === null) return null;
  const title = t("fallsBelow", { lpcd: number(norm.lpcd), name: normName(norm.name) });
  const found = forecasts.find((each) => each.norm === norm.name);
  if (!found) return [title, NONE, t("tooLittleKnown")];
  if (!found.is_extrapolated) return [title, coming(found), ""];
  const band = t("band", { n: number(10 * found.band) });
  const basis = found.basis === "years" ? t("fromYears", { n: number(found.years) }) : t("fromRecession");
  return [title, coming(found), `${band} · ${basis}`];
}

function line([title, figure, note]) {
  return [
    el("dt", {}, title),
    el("dd", {}, el("b", {}, figure), note ? el("span", { class: "quiet" }, note) : null),
  ];
}

/** The part of a card about service and outlook; `update(kahriz, statistics, summary)` redraws it. */
export function createOutlook() {
  const node = el("section", { class: "outlook" });
  const body = el("div", {});
  node.append(el("h4", {}, t("outlook")), body);

  function build(kahriz, statistics, summary) {
    const norm = kahriz.people === null ? null : spoken(kahriz.norms);
    const lines = [
      service(statistics.service),
      below(summary, norm),
      loss(statistics.balance),
      night(statistics.night_flow, kahriz.use),
      year(summary),
      trend(statistics.trend),
      ahead(statistics.forecasts, norm),
    ].filter((each) => each !== null);
    return el("dl", {}, ...lines.flatMap(line));
  }

  function update(kahriz, statistics, summary) {
    const data = [kahriz.people, kahriz.norms, kahriz.use, statistics, summary];
    rebuild(body, data, () => build(kahriz, statistics, summary));
  }

  function fail(text) {
    rebuild(body, text, () => [el("p", { class: "error" }, text)]);
  }
  return { node, update, fail };
}

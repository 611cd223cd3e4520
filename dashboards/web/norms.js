// Litres a person and day drawn against the norms, each with who says so.

import { el, rebuild, setText } from "./dom.js";
import { number } from "./format.js";
import { hasText, t } from "./texts.js";

const END = 120; // the scale's end in L; more is shown as more, not drawn to scale

const normName = (name) => (hasText(`norm_${name}`) ? t(`norm_${name}`) : name);
const share = (lpcd) => Math.min(100, (lpcd / END) * 100);

function sentence(norm) {
  return t("normLine", { lpcd: number(norm.lpcd), name: normName(norm.name), source: norm.source });
}

/** Where a mark's number stands: two marks close together lean away from each other. */
function lean(norms, i) {
  const close = (other) => other && Math.abs(other.lpcd - norms[i].lpcd) < END * 0.06;
  if (close(norms[i + 1])) return "before";
  return close(norms[i - 1]) ? "after" : "";
}

function mark(norms, i, lpcd, explain, leave) {
  const norm = norms[i];
  const isMet = lpcd !== null && lpcd >= norm.lpcd;
  const button = el(
    "button",
    {
      type: "button",
      class: `mark ${isMet ? "met" : ""} ${lean(norms, i)}`,
      title: sentence(norm),
      "aria-label": sentence(norm),
      onclick: () => explain(norm),
      onpointerenter: () => explain(norm),
      onfocus: () => explain(norm),
      onblur: leave,
      // a finger that is lifted leaves as well, but has only just asked
      onpointerleave: (event) => event.pointerType === "mouse" && leave(),
    },
    el("span", { "aria-hidden": "true" }, number(norm.lpcd)),
  );
  button.style.left = `${share(norm.lpcd)}%`;
  return button;
}

function verdict(norms, lpcd) {
  const met = norms.filter((norm) => lpcd >= norm.lpcd).at(-1);
  if (!met) return norms.length ? t("normNone") : "";
  return t("normMet", { name: normName(met.name), lpcd: number(met.lpcd) });
}

function scale(norms, lpcd, explain, leave) {
  const fill = el("div", { class: lpcd > END ? "fill beyond" : "fill" });
  fill.style.width = `${share(lpcd ?? 0)}%`;
  return el(
    "div",
    { class: "scale", role: "group", "aria-label": t("normScale") },
    el("div", { class: "track" }, fill),
    ...norms.map((_, i) => mark(norms, i, lpcd, explain, leave)),
  );
}

/** The part of a card about one person's day; `update(kahriz)` redraws it when it changed. */
export function createNorms() {
  const node = el("section", { class: "person" });

  function build(kahriz) {
    const norms = [...kahriz.norms].sort((a, b) => a.lpcd - b.lpcd);
    const lpcd = kahriz.yesterday?.lpcd ?? null;
    const people = kahriz.people === null ? t("peopleUnknown") : peopleText(kahriz);
    const heading = el("h4", {}, t("perPerson"));
    if (kahriz.people === null) return [heading, el("p", { class: "quiet" }, people)];
    const said = lpcd === null ? t("noYesterday") : verdict(norms, lpcd);
    const line = el("p", { class: "verdict" }, said);
    const explain = (norm) => setText(line, sentence(norm));
    const leave = () => setText(line, said);
    const value = el("p", { class: "figure small" }, number(lpcd), el("span", { class: "unit" }, t("lpcdUnit")));
    const sources = el(
      "details",
      { class: "sources" },
      el("summary", {}, t("norms")),
      el("ul", {}, ...norms.map((norm) => el("li", {}, sentence(norm)))),
    );
    const who = el("p", { class: "quiet" }, people);
    const head = el("div", { class: "person-head" }, el("div", {}, heading, who), value);
    return [head, scale(norms, lpcd, explain, leave), line, sources];
  }

  function update(kahriz) {
    const data = [kahriz.norms, kahriz.people, kahriz.people_assumed, kahriz.yesterday?.lpcd];
    rebuild(node, data, () => build(kahriz));
  }
  return { node, update };
}

function peopleText(kahriz) {
  return t(kahriz.people_assumed ? "peopleAssumed" : "people", { n: number(kahriz.people) });
}

// What detection still learns at a kahriz, and what the sensors there are will never show.

import { el, rebuild } from "./dom.js";
import { number } from "./format.js";
import { t } from "./texts.js";

/** Of several instruments of one topic the one that is known least speaks. */
function unknown(learning) {
  const least = new Map();
  for (const each of learning.filter((one) => !one.is_known)) {
    const before = least.get(each.topic);
    if (!before || each.days < before.days) least.set(each.topic, each);
  }
  return [...least.values()];
}

function progress({ topic, days, needed_days: needed }) {
  const [unit, times] = needed < 1 ? ["topicHours", 24] : ["topicDays", 1];
  const figures = { n: number(Math.floor(days * times)), of: number(Math.round(needed * times)) };
  return t(unit, { topic: t(`topic_${topic}`), ...figures });
}

function lines({ learning, cannot_see: blind }) {
  const todo = unknown(learning).map(progress);
  const unseen = [...new Set(blind.map((each) => t(`why_${each.why}`)))];
  return [
    todo.length ? el("p", { class: "quiet tiny" }, t("learning", { list: todo.join(", ") })) : null,
    unseen.length ? el("p", { class: "quiet tiny" }, t("cannotSee", { list: unseen.join("; ") })) : null,
  ];
}

/** The lines under a card; nothing where all is known. `update(answer)` brings them up to date. */
export function createLearning() {
  const node = el("div", { class: "learning" });
  return { node, update: (answer) => rebuild(node, [answer.learning, answer.cannot_see], () => lines(answer)) };
}

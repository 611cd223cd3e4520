// A text message as the phone it went to would show it.

import { el, sign } from "./dom.js";
import { instant, number } from "./format.js";
import { hasText, t } from "./texts.js";

const ENCODINGS = { gsm7: "GSM-7", ucs2: "UCS-2" };
const ARRIVED = ["accepted", "delivered"];
const LOST = ["failed", "expired", "unknown"];

function stateOf(message) {
  const state = ARRIVED.includes(message.state) ? "ok" : LOST.includes(message.state) ? "alert" : "unknown";
  const key = `msg_${message.state}`;
  const words = [hasText(key) ? t(key) : message.state];
  if (message.error) words.push(message.error);
  return el("span", { class: `sent ${state}` }, sign(state), words.join(": "));
}

/** Encoding, parts and characters of a text. */
export function facts(message) {
  const parts = message.parts === 1 ? t("parts_1") : t("parts", { n: number(message.parts) });
  const encoding = ENCODINGS[message.encoding] ?? message.encoding;
  const characters = t("characters", { n: number([...message.text].length) });
  return [encoding, parts, characters].join(" · ");
}

export const reasonName = (reason) => (hasText(`reason_${reason}`) ? t(`reason_${reason}`) : reason);

/** One message: to whom, the words, and what became of it. */
export function phone(message, zone) {
  const reason = reasonName(message.reason);
  const at = message.sent_at ?? message.created_at;
  return el(
    "figure",
    { class: "phone" },
    el(
      "figcaption",
      {},
      el("span", { class: "to" }, message.contact, el("span", { class: "quiet" }, message.address)),
      el("span", { class: "language" }, message.language),
    ),
    el("p", { class: "bubble", lang: message.language }, message.text),
    el(
      "p",
      { class: "meta" },
      el("span", {}, `${reason} · ${instant(at, zone)}`),
      el("span", {}, facts(message)),
      stateOf(message),
    ),
  );
}

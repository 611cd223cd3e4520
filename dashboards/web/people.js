// Who is told at a kahriz, what is silenced there, which texts they get and what a month of them costs.

import * as api from "./api.js";
import { kindName } from "./alerts.js";
import { el, rebuild, setText, sign } from "./dom.js";
import { dayLabel, instant, number } from "./format.js";
import { facts, reasonName } from "./phone.js";
import { hasText, t } from "./texts.js";

const named = (prefix, key) => (hasText(prefix + key) ? t(prefix + key) : key);
const counted = (key, n) => (n === 1 ? t(`${key}_1`) : t(key, { n: number(n) }));
const money = (value, digits = 2) => number(value, digits);

function contactLine(person) {
  const consent = person.consent_on ? t("consentOn", { day: `${dayLabel(person.consent_on)} ${person.consent_on.slice(0, 4)}` }) : t("noConsent");
  const facts = [
    named("role_", person.role),
    person.phone,
    person.email,
    `${person.language.toUpperCase()}, ${named("alphabet_", person.alphabet)}`,
    person.quiet_hours ? t("quietHours", { hours: person.quiet_hours }) : t("noQuietHours"),
    consent,
  ];
  const stopped = person.is_opted_out ? el("span", { class: "doubt" }, t("stopped")) : null;
  return el("li", {}, el("b", {}, person.name), el("span", { class: "quiet" }, facts.filter(Boolean).join(" · ")), stopped);
}

/** Whether anybody of the village hears of its water: by phone, and not only engineers. */
const isVillageTold = (people) => people.some((each) => each.role !== "engineer" && each.phone && !each.is_opted_out);

function contacts(people) {
  const title = el("h4", {}, t("contacts"));
  if (people.length === 0) return [title, el("p", { class: "doubt" }, t("noContacts"))];
  const deaf = isVillageTold(people) ? null : el("p", { class: "doubt" }, t("villageDeaf"));
  return [title, deaf, el("ol", { class: "lines" }, ...people.map(contactLine))];
}

function silenceLine(silence, zone, acts) {
  const what = silence.kind === null ? t("anyKind") : kindName(silence.kind);
  const when = t("fromUntil", { start: instant(silence.start, zone), end: instant(silence.end, zone) });
  const whose = silence.kahriz === null ? t("everyKahriz") : null;
  const words = [whose, when, silence.note, silence.by].filter(Boolean).join(" · ");
  const end = el("button", { type: "button", class: "plain", onclick: () => acts.endSilence(silence) }, t("endSilence"));
  return el("li", {}, el("b", {}, what), el("span", { class: "quiet" }, words), end);
}

function worksLine(works, zone, acts) {
  const words = [t("sinceOnly", { time: instant(works.start, zone) }), works.note, works.by].filter(Boolean).join(" · ");
  const end = el("button", { type: "button", class: "plain", onclick: () => acts.endWorks(works) }, t("endWorks"));
  return el("li", {}, el("b", {}, t("worksOn")), el("span", { class: "quiet" }, words), end);
}

function held(silences, works, zone, acts) {
  const lines = [...works.filter((each) => each.end === null).map((each) => worksLine(each, zone, acts)), ...silences.map((each) => silenceLine(each, zone, acts))];
  const none = lines.length ? null : el("p", { class: "quiet" }, t("nothingHeld"));
  return [el("h4", {}, t("held")), none, lines.length ? el("ul", { class: "lines" }, ...lines) : null];
}

const COLUMNS = ["texts", "parts", "delivered", "failed", "expired"];

function monthTable(month, id) {
  const title = el("h4", {}, t("monthTexts", { month: month.month }));
  const rows = month.contacts.filter((row) => row.kahriz === id);
  if (rows.length === 0) return [title, el("p", { class: "quiet" }, t("noMonthTexts"))];
  const cell = (row, name) => el("td", { "data-label": t(`col_${name}`) }, name === "cost" ? `${money(row.cost)} ${month.currency}` : number(row[name]));
  const columns = month.price_a_part > 0 ? [...COLUMNS, "cost"] : COLUMNS;
  const line = (name, detail, row) => el("tr", {}, el("th", { scope: "row" }, name, detail && el("span", { class: "quiet" }, ` ${detail}`)), ...columns.map((c) => cell(row, c)));
  const total = month.kahrizes.find((row) => row.kahriz === id);
  return [
    title,
    el(
      "table",
      { class: "devices month" },
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("col_contact")), ...columns.map((c) => el("th", { scope: "col" }, t(`col_${c}`))))),
      el("tbody", {}, ...rows.map((row) => line(row.contact, row.address, row)), line(t("sum"), null, total)),
    ),
  ];
}

function example(text, names) {
  return el(
    "figure",
    { class: "phone" },
    el(
      "figcaption",
      {},
      el("span", { class: "to" }, `${kindName(text.kind)}: ${reasonName(text.reason)}`, el("span", { class: "quiet" }, text.contacts.map((id) => names.get(id) ?? `#${id}`).join(", "))),
      el("span", { class: "language" }, text.language),
    ),
    el("p", { class: "bubble", lang: text.language }, text.text),
    el("p", { class: "meta" }, el("span", {}, facts(text))),
  );
}

/** Every text as it would be sent; asked for when it is opened. */
function createPreviews(id) {
  const problem = el("p", { class: "form-error", role: "status" });
  const body = el("div", { class: "phones" });
  const node = el("details", { class: "previews" }, el("summary", {}, t("previews")), el("p", { class: "quiet tiny" }, t("previewsWhy")), problem, body);
  let names = new Map();

  async function load() {
    if (!node.open) return;
    try {
      const { texts } = await api.texts(id);
      rebuild(body, [texts, [...names]], () => (texts.length ? texts.map((each) => example(each, names)) : [el("p", { class: "quiet" }, t("noContacts"))]));
      setText(problem, "");
    } catch (error) {
      setText(problem, t("failedLoad", { what: t("previews"), reason: error.message }));
    }
  }
  node.addEventListener("toggle", load);
  return {
    node,
    update: (people) => {
      names = new Map(people.map((person) => [person.id, person.name]));
      void load();
    },
  };
}

/** One kahriz; `update(kahriz, said)` with everybody's contacts and silences, and the month. */
export function createPeople(id, acts) {
  const line = el("summary", {});
  const [whom, what, cost] = [el("div", {}), el("div", {}), el("div", {})];
  const previews = createPreviews(id);
  const problem = el("p", { class: "form-error", role: "status" });
  const node = el("details", { class: "past people", "data-kahriz": id }, line, el("div", { class: "people-body" }, whom, what, cost, problem, previews.node));
  let zone = "UTC";
  let silences = [];
  let works = [];

  const showHeld = () => rebuild(what, [silences, works], () => held(silences, works, zone, acts));

  /** Works are asked for only where somebody looks: each kahriz has its own address. */
  async function loadWorks() {
    if (!node.open) return;
    try {
      works = (await api.works(id)).works;
      setText(problem, "");
    } catch (error) {
      setText(problem, t("failedLoad", { what: t("worksOn"), reason: error.message }));
    }
    showHeld();
  }
  node.addEventListener("toggle", loadWorks);

  function update(kahriz, said) {
    zone = kahriz.timezone;
    const people = said.contacts.filter((each) => each.kahriz === id);
    silences = said.silences.filter((each) => each.kahriz === null || each.kahriz === id);
    const words = [kahriz.name, counted("contactCount", people.length)];
    if (silences.length) words.push(counted("silenceCount", silences.length));
    const isDeaf = !isVillageTold(people);
    rebuild(line, [words, isDeaf], () => [words.join(" · "), isDeaf ? sign("alert") : null]);
    rebuild(whom, people, () => contacts(people));
    rebuild(cost, [said.month.month, said.month.contacts], () => monthTable(said.month, id));
    showHeld();
    previews.update(people);
    void loadWorks();
  }
  return { node, update };
}

/** The month in one line, for all kahrizes. */
export function monthLine({ month, total, currency, price_a_part: price }) {
  const figures = { month, texts: number(total.texts), parts: number(total.parts), delivered: number(total.delivered) };
  const cost = price > 0 ? t("monthCost", { cost: money(total.cost), currency }) : t("monthNoPrice");
  return `${t("monthSum", figures)} ${cost}`;
}

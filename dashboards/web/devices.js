// The devices: who was heard when, and whether every reading it made has arrived.

import { el, rebuild } from "./dom.js";
import { NONE, number } from "./format.js";
import { language, t } from "./texts.js";

const LOW_V = 11.5; // a 12 V lead battery below this is close to empty

const COLUMNS = [
  ["heard", (d) => heard(d)],
  ["battery", (d) => battery(d)],
  ["received", (d) => number(d.received)],
  ["duplicate", (d) => number(d.duplicate)],
  ["quarantined", (d) => counted(d.quarantined)],
  ["lostReadings", (d) => counted(d.lost)],
];

function heard(device) {
  const at = device.last_time ?? device.received_at;
  return at === null ? t("never") : el("time", { datetime: at, "data-ago": at });
}

function battery(device) {
  const volts = device.battery_v;
  if (volts === null) return NONE;
  const text = `${number(volts, 1)} V`;
  return volts > 6 && volts < LOW_V ? el("b", { class: "doubt" }, `${text} ↓`) : text;
}

function counted(n) {
  return n > 0 ? el("b", { class: "doubt" }, number(n)) : number(n);
}

function line(device, names) {
  const status = ["online", "offline"].includes(device.status) ? t(device.status) : (device.status ?? NONE);
  const name = el(
    "th",
    { scope: "row" },
    el(
      "div",
      { class: "device" },
      el("span", { class: "device-name" }, device.device),
      el("span", { class: "quiet" }, `${names.get(device.kahriz) ?? device.kahriz ?? NONE} · ${status}`),
    ),
  );
  const cells = COLUMNS.map(([key, cell]) => el("td", { "data-label": t(key) }, cell(device)));
  return el("tr", {}, name, ...cells);
}

/** Draw the table of `devices`; `names` gives the kahriz's name by its id. */
export function showDevices(holder, devices, names) {
  // silent_for_s and the like grow by themselves; ages tick in the page
  const data = [language(), devices.map(({ silent_for_s, ...rest }) => rest), [...names]];
  rebuild(holder, data, () => {
    if (devices.length === 0) return [el("p", { class: "empty" }, t("noDevices"))];
    const head = ["device", ...COLUMNS.map(([key]) => key)].map((key) => el("th", { scope: "col" }, t(key)));
    const body = el("tbody", {}, ...devices.map((device) => line(device, names)));
    return [el("table", { class: "devices" }, el("thead", {}, el("tr", {}, ...head)), body)];
  });
}

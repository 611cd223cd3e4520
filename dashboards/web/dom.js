// Building the page from data: text only ever enters as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element: `el("p", {class: "empty"}, "text", child)`. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Change a node's text only where it differs, so that selections and readers are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Rebuild `node` only when what it was built from (`data`) has changed since. */
const seen = new WeakMap();
export function rebuild(node, data, build) {
  const signature = JSON.stringify(data);
  if (seen.get(node) === signature) return;
  seen.set(node, signature);
  node.replaceChildren(...[build()].flat().filter((child) => child !== null));
}

const SHAPES = {
  ok: "M4 8.5 7 11.5 12.5 5",
  alert: "M8 2.5 14.5 13.5H1.5ZM8 6.5v3.5M8 11.7v.3",
  no_signal: "M3 3l10 10M2.5 7a8 8 0 0 1 3-2M13.5 7a8 8 0 0 0-4-2.3M5.5 9.7a4 4 0 0 1 3-1M8 12.5v.1",
  unknown: "M6 6a2 2 0 1 1 2.8 1.9c-.6.3-.8.6-.8 1.3M8 12v.1",
};

/** A small sign that says a state by its shape, beside the word that says it in full. */
export function sign(state) {
  const d = SHAPES[state] ?? SHAPES.unknown;
  return svg(
    "svg",
    { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
    svg("path", { d }),
  );
}

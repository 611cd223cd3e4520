// What the page remembers: the language for good, name and key for this tab only.
// A browser that forbids storage still shows the page; it only forgets.

const forgotten = new Map();

function store(kind) {
  try {
    return window[kind];
  } catch {
    return null;
  }
}

export function recall(name, kind = "localStorage") {
  return store(kind)?.getItem(name) ?? forgotten.get(name) ?? null;
}

export function remember(name, value, kind = "localStorage") {
  forgotten.set(name, value);
  try {
    store(kind)?.setItem(name, value);
  } catch {
    // full or forbidden: kept in `forgotten` until the tab closes
  }
}

/** What every screen shares: the state, addresses, and drawing again. */
const kept = (name, fallback) => {
  try { return localStorage.getItem(name) ?? fallback; } catch { return fallback; }
};
export const keep = (name, value) => {
  try { localStorage.setItem(name, value); } catch { /* a private window keeps nothing */ }
};

export const state = {
  now: null, heardAt: 0, zone: kept("zone", "utc"), theme: kept("theme", "auto"),
  filter: "", pins: new Set(JSON.parse(kept("pins", "[]"))), help: false, selected: null, route: null,
};

export function productHash(exchange, product, interval) {
  return `#/${[exchange, product, interval].map(encodeURIComponent).join("/")}`;
}

export function go(hash) { location.hash = hash; }

export function intervals() {
  return state.now?.intervals?.length ? state.now.intervals : ["1m"];
}

let drawing = 0;
let paint = () => {};

/** Say what draws the page. */
export function onDraw(does) { paint = does; }

/** Draw the page with the next frame; any number of calls before it draw once. */
export function draw() {
  if (drawing) return;
  drawing = requestAnimationFrame(() => { drawing = 0; paint(); });
}

export function setFilter(text) { state.filter = text; draw(); }

export function togglePin(name) {
  if (state.pins.has(name)) state.pins.delete(name); else state.pins.add(name);
  keep("pins", JSON.stringify([...state.pins])); draw();
}

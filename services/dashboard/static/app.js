/** The page: routes, the event stream, keys, header and footer. */
import { html, render } from "./html.js";
import { age, clock, zoneName } from "./format.js";
import { Now } from "./now.js";
import { ChartScreen, chart } from "./chart.js";
import { Features, features } from "./features.js";
import { Health, health } from "./health.js";
import { Runs, runs } from "./runs.js";
import { draw, go, intervals, keep, onDraw, productHash, state } from "./page.js";

const screens = [
  ["now", "Now", "", "N"], ["chart", "Chart", "chart", "C"], ["features", "Features", "features", "F"],
  ["health", "Health", "health", "H"], ["runs", "Runs", "runs", "R"],
];

/** #/, #/features, #/kraken/BTC%2FUSD/1m, and with lines .../momentum_1/rsi_14,flow_20 */
function parseRoute() {
  const words = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const plain = words.map((word) => { try { return decodeURIComponent(word); } catch { return word; } });
  if (plain.length === 3 || plain.length === 5) {
    const [exchange, product, interval, group, names] = plain;
    return { screen: "chart", exchange, product, interval, group: group ?? "", lines: (names ?? "").split(",").filter(Boolean) };
  }
  if (plain.length === 4 && /^@\d+$/.test(plain[3])) {
    const [exchange, product, interval, at] = plain;
    return { screen: "chart", exchange, product, interval, group: "", lines: [], at: Number(at.slice(1)) };
  }
  const screen = screens.find(([, , path]) => path === (plain[0] ?? ""));
  return { screen: screen ? screen[0] : "now" };
}

function chartHash() {
  if (state.selected) {
    return productHash(state.selected.exchange, state.selected.product, state.selected.interval) + chart.lines.hash();
  }
  const first = state.now?.products?.[0] ?? state.stored?.[0];
  return first ? productHash(first.exchange, first.product ?? first.product_id, intervals()[0]) : "#/chart";
}

function onRoute() {
  state.route = parseRoute();
  if (state.route.screen === "chart" && !state.route.product && chartHash() !== "#/chart") {
    location.replace(chartHash());
    return;
  }
  if (state.route.product) {
    const { exchange, product, interval } = state.route;
    state.selected = { exchange, product, interval };
  }
  connect();
  if (state.route.screen === "chart") {
    chart.open(state.selected, state.route.at ?? null);
    if (state.route.product) chart.lines.choose(state.route.group, state.route.lines);
    chart.lines.loadGroups();
  }
  if (state.route.screen === "features") features.open(state.selected ?? null);
  if (state.route.screen === "health") health.open();
  if (state.route.screen === "runs") runs.open();
  draw();
  document.querySelector("main")?.scrollTo?.(0, 0);
}

let source = null;
let streamOf = null;

function connect() {
  const wanted = state.route.screen === "chart" && state.selected
    ? `?${new URLSearchParams(state.selected)}` : "";
  if (document.hidden || (source && streamOf === wanted && source.readyState !== 2)) return;
  source?.close();
  streamOf = wanted;
  source = new EventSource(`/api/stream${wanted}`);
  source.addEventListener("now", (event) => {
    state.now = JSON.parse(event.data);
    state.heardAt = Date.now();
    if (state.route.screen === "chart" && !state.route.product) onRoute();
    draw();
  });
  source.addEventListener("candles", (event) => { chart.take(JSON.parse(event.data)); });
  source.addEventListener("provisional", (event) => { chart.takeOpen(JSON.parse(event.data)); });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { source?.close(); source = null; } else if (state.route) { connect(); }
});

function setTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = state.theme === "auto" ? (dark ? "dark" : "light") : state.theme;
  document.documentElement.dataset.theme = theme;
  chart.theme(theme);
}

const actions = {
  zone() { state.zone = state.zone === "utc" ? "local" : "utc"; keep("zone", state.zone); chart.zone(state.zone); draw(); },
  theme() {
    state.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    keep("theme", state.theme); setTheme(); draw();
  },
  help() { state.help = !state.help; draw(); },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (event.key === "Escape") { state.help = false; event.target.blur?.(); draw(); return; }
  if (typing) return;
  const screen = screens.find(([, , , key]) => key.toLowerCase() === event.key.toLowerCase());
  if (event.key === "/") {
    event.preventDefault();
    const filter = () => document.getElementById("filter")?.focus();
    if (state.route.screen === "now") filter();
    else { go("#/"); setTimeout(filter, 100); }
  } else if (event.key === "?") actions.help();
  else if (event.key.toLowerCase() === "u") actions.zone();
  else if (event.key.toLowerCase() === "t") actions.theme();
  else if (/^[1-9]$/.test(event.key) && state.selected && intervals()[event.key - 1]) {
    go(productHash(state.selected.exchange, state.selected.product, intervals()[event.key - 1]) + chart.lines.hash());
  } else if (screen) go(screen[0] === "chart" ? chartHash() : `#/${screen[2]}`);
  else if (state.route.screen === "chart") chart.key(event);
}

const marks = { live: "●", quiet: "◐", starting: "◌", "catching up": "◔", empty: "○", filling: "◑" };

function Header() {
  const now = state.now;
  const silent = state.heardAt ? (Date.now() - state.heardAt) / 1000 : null;
  const cut = silent !== null && silent > 3;
  const word = cut ? "cut off" : now?.state ?? "starting";
  const sentence = cut
    ? `The dashboard's server does not answer; figures of ${clock(now?.now, state.zone)}`
    : now?.sentence ?? "Asking the dashboard's server";
  const remedy = cut ? "Tried again by itself." : now?.remedy ?? "";
  const mode = now?.run?.simulated ? "SIMULATED market"
    : now?.run?.exchange ? `live from ${now.run.exchange}` : "no run";
  return html`<header>
    <div class="bar">
      <a class="brand" href="#/">OHLC pipeline</a>
      <span class=${`mode ${now?.run?.simulated ? "simulated" : ""}`}>${mode}</span>
      <nav aria-label="Screens">${screens.map(([id, name, path]) => html`<a key=${id}
        href=${id === "chart" ? chartHash() : `#/${path}`}
        aria-current=${state.route.screen === id ? "page" : undefined}>${name}</a>`)}</nav>
      <span class="tools">
        <button onClick=${actions.zone} title="UTC or local time (U)">${clock(now?.now, state.zone)} ${zoneName(state.zone)}</button>
        <button onClick=${actions.theme} title="Dark or light (T)" aria-label="Dark or light">◑</button>
        <button onClick=${actions.help} title="Keys (?)" aria-label="Keys">?</button>
      </span>
    </div>
    <p class=${`state ${word.replace(" ", "-")}`} role="status" id="state">
      <b>${marks[word] ?? "▲"} ${word}</b> <span>${sentence}</span>${remedy && html` <em>${remedy}</em>`}
      <small>as of ${clock(now?.now, state.zone)}${cut ? ` (${age(silent)} ago)` : ""}</small>
    </p>
  </header>`;
}

const keys = [["/", "filter of the products"], ["1 to 9", "interval"], ["← →", "pan"], ["+ −", "zoom"],
  ["Home End", "oldest, newest"], ["L", "newest"], ["N C F H R", "screens"], ["U", "UTC or local"],
  ["T", "dark or light"], ["?", "this list"], ["Esc", "close"]];

function Help() {
  return html`<div class="help" role="dialog" aria-label="Keys"><h2>Keys</h2>
    <dl>${keys.map(([key, what]) => html`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`)}</dl>
    <button onClick=${actions.help}>Close</button></div>`;
}

function App() {
  const screen = { now: Now, chart: ChartScreen, features: Features, health: Health, runs: Runs }[state.route.screen];
  const cut = state.heardAt && Date.now() - state.heardAt > 3000;
  return html`<${Header} /><main class=${cut ? "cut" : ""}><${screen} key=${state.route.screen} state=${state} /></main>
    ${state.help && html`<${Help} />`}
    <footer>Charts by <a href="https://www.tradingview.com/" rel="noopener noreferrer" target="_blank">TradingView
      Lightweight Charts™</a> (Apache-2.0), Copyright (c) 2025 TradingView, Inc. · <a href="/licenses">licences</a> · reads everything, writes nothing</footer>`;
}

onDraw(() => {
  const root = document.getElementById("app");
  if (root.querySelector(".boot")) root.replaceChildren();
  render(html`<${App} />`, root);
  chart.mount(document.getElementById("chart"));
});

addEventListener("hashchange", onRoute);
addEventListener("keydown", onKey);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setTheme);
setInterval(draw, 1000);
setTheme();
onRoute();
fetch("/api/now").then((answer) => answer.json()).then((now) => {
  state.stored = now.stored;
  if (now.now && !state.now) { state.now = now; state.heardAt = Date.now(); }
  onRoute();
}).catch(() => draw());

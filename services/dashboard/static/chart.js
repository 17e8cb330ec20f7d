/** Chart: candles and volume of one product; the open one provisional, gaps shaded, all in a table too. */
import {
  CandlestickSeries, CrosshairMode, HistogramSeries, createChart, createSeriesMarkers,
} from "./vendor/lightweight-charts.standalone.production.mjs";
import { html } from "./html.js";
import { age, clock, intervalMs, moment, number, zoneName } from "./format.js";
import { draw, go, intervals, productHash, state } from "./page.js";
import { FeatureLines, Picker } from "./lines.js";
import { Overlay } from "./overlay.js";

const PAGE = 300;
const AROUND = 60;
const colors = {
  dark: { text: "#c9d2df", grid: "#222a35", up: "#2fb380", down: "#e0606e", grey: "#7b8797", shade: "#d9a44133", open: "#f0b94a", line: "#7db4ff" },
  light: { text: "#2c3644", grid: "#e6eaf0", up: "#14805a", down: "#c03648", grey: "#8a94a3", shade: "#c9861733", open: "#a86a00", line: "#0b5cc2" },
};

class Chart {
  constructor() { this.rows = new Map(); this.provisional = null; this.gaps = []; this.name = "dark"; this.at = null; this.lines = new FeatureLines(this); this.reset(); }

  reset() {
    this.rows.clear(); this.sorted = null; this.provisional = null; this.gaps = []; this.problem = ""; this.loaded = false;
    this.oldest = false; this.loading = false; this.hover = null; this.openAt = 0; this.liveSince = null; this.lines.reset();
  }

  // --- data -------------------------------------------------------------------------------

  /** Show the newest candles; with ``at``, those around that moment (ms), which stay as they are. */
  open(selected, at = null) {
    if (!selected) return;
    const name = JSON.stringify(selected);
    if (name === this.selected && at === this.at) return;
    this.selected = name; this.at = at; this.reset(); this.load(name, this.newest());
  }

  newest() {
    const step = intervalMs(JSON.parse(this.selected).interval);
    return this.at === null || !step ? null : this.at + AROUND * step;
  }

  async load(name, before) {
    if (this.loading) return;
    this.loading = true;
    const parameters = new URLSearchParams({ ...JSON.parse(name), limit: PAGE });
    if (before) parameters.set("before", before);
    try {
      const answer = await fetch(`/api/candles?${parameters}`);
      const found = await answer.json();
      if (name !== this.selected) return;
      for (const row of found.candles ?? []) if (!this.rows.has(row.start)) this.rows.set(row.start, row);
      this.sorted = null;
      this.oldest = (found.candles ?? []).length < PAGE;
      this.gaps = found.gaps ?? this.gaps;
      this.problem = found.store_problem ?? found.error ?? "";
      if (!before) { this.provisional = found.open; this.liveSince = found.live_since ?? null; }
      this.loaded = true;
      this.paint(!before || before === this.newest());
      this.lines.load();
    } catch { this.problem = "the dashboard's server did not answer"; }
    finally {
      this.loading = false;
      if (name !== this.selected && this.selected) this.load(this.selected, this.newest());
    }
    draw();
  }

  take(rows) {
    if (!this.loaded || this.at !== null) return;
    for (const row of rows) {
      const before = this.rows.get(row.start);
      if (before && before.revision > row.revision) continue;
      if (before && row.revision > before.revision && !row.before) {
        row.before = { open: before.open, high: before.high, low: before.low, close: before.close };
      }
      this.rows.set(row.start, row);
    }
    this.sorted = null;
    if (this.provisional && this.rows.has(this.provisional.start)) this.provisional = null;
    this.lines.expectNew();
    this.paint(false); draw();
  }

  takeOpen({ candle, at }) {
    if (!this.loaded || this.at !== null) return;
    const isNew = candle?.start !== this.provisional?.start;
    this.provisional = candle && !this.rows.has(candle.start) ? candle : null;
    this.openAt = at;
    if (isNew || !this.candles) this.paint(false);
    else if (this.provisional) { this.candles.update(this.point(this.provisional)); this.volume.update(this.bar(this.provisional)); }
    draw();
  }

  /** The candles by time, sorted once per change: a hundred thousand may be there at every move of the mouse. */
  ordered() {
    this.sorted ??= [...this.rows.values()].sort((a, b) => a.start - b.start);
    const open = this.provisional;
    return open && !(open.start <= this.sorted.at(-1)?.start) ? [...this.sorted, open] : this.sorted;
  }

  // --- drawing ----------------------------------------------------------------------------

  mount(element) {
    if (!element) { this.unmount(); return; }
    if (element === this.element) return;
    this.unmount();
    this.element = element;
    this.api = createChart(element, {
      autoSize: true, crosshair: { mode: CrosshairMode.Normal },
      layout: { attributionLogo: false, background: { color: "transparent" }, fontSize: 11, panes: { separatorColor: "#8884" } },
      timeScale: { timeVisible: true, secondsVisible: true, rightOffset: 3, enableConflation: true },
      rightPriceScale: { borderVisible: false },
      handleScroll: { vertTouchDrag: false },
    });
    this.shade = this.api.addSeries(HistogramSeries, { priceScaleId: "gaps", lastValueVisible: false, priceLineVisible: false });
    this.api.priceScale("gaps").applyOptions({ scaleMargins: { top: 0, bottom: 0 } });
    this.candles = this.api.addSeries(CandlestickSeries, { priceLineStyle: 2 });
    this.volume = this.api.addSeries(HistogramSeries, { priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false }, 1);
    this.marks = createSeriesMarkers(this.candles, []);
    this.overlay = new Overlay();
    this.candles.attachPrimitive(this.overlay);
    this.lines.mount(this.api);
    this.api.panes()[1]?.setStretchFactor(0.25);
    this.api.subscribeCrosshairMove((move) => {
      const start = move.time === undefined ? null : move.time * 1000;
      if (start !== this.hover) { this.hover = start; draw(); }
    });
    this.api.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (!range || range.from > 20 || this.oldest || this.loading || !this.rows.size) return;
      this.load(this.selected, this.ordered()[0].start);
    });
    this.theme(document.documentElement.dataset.theme);
    this.zone(state.zone);
    this.paint(true);
  }

  unmount() {
    this.lines.unmount();
    this.api?.remove();
    this.api = this.overlay = this.element = this.candles = this.volume = this.shade = this.marks = null;
  }

  point(row) {
    const c = colors[this.name];
    const time = Math.floor(row.start / 1000);
    const value = { time, open: row.open, high: row.high, low: row.low, close: row.close };
    const color = row.complete === false ? c.grey : row.close >= row.open ? c.up : c.down;
    if (row.provisional) return { ...value, color: "transparent", borderColor: c.open, wickColor: c.open };
    if (row.complete === false) return { ...value, color: `${c.grey}55`, borderColor: c.grey, wickColor: c.grey };
    return { ...value, color, borderColor: color, wickColor: color };
  }

  bar(row) {
    const c = colors[this.name];
    const color = row.provisional ? c.open : row.complete === false ? c.grey : row.close >= row.open ? c.up : c.down;
    return { time: Math.floor(row.start / 1000), value: row.volume, color: `${color}99` };
  }

  paint(fit) {
    if (!this.candles) return;
    const rows = this.ordered();
    const step = intervalMs(JSON.parse(this.selected ?? "{}").interval ?? "");
    const points = []; const bars = []; const shades = []; const marks = [];
    const c = colors[this.name];
    const isGap = (start, end) => this.gaps.some((gap) => (gap.from ?? 0) < end && (gap.to ?? Infinity) >= start);
    let expected = null;
    for (const row of rows) {
      // A window without a candle keeps its width; a very long absence is cut short.
      for (let i = 0; step && expected !== null && expected < row.start && i < 500; i += 1, expected += step) {
        const time = Math.floor(expected / 1000);
        points.push({ time }); bars.push({ time });
        shades.push({ time, value: 1, color: isGap(expected, expected + step) ? c.shade : "transparent" });
      }
      points.push(this.point(row)); bars.push(this.bar(row));
      const shaded = row.complete === false || (!row.provisional && isGap(row.start, row.end));
      shades.push({ time: Math.floor(row.start / 1000), value: 1, color: shaded ? c.shade : "transparent" });
      if (row.revision) marks.push({ time: Math.floor(row.start / 1000), position: "aboveBar", shape: "circle", color: c.open, text: `r${row.revision}`, size: 0.6 });
      expected = row.end;
    }
    this.candles.setData(points); this.volume.setData(bars); this.shade.setData(shades); this.marks.setMarkers(marks);
    this.overlay.show({
      hatched: rows.filter((row) => row.complete === false),
      since: this.liveSince && rows.length && rows[0].start <= this.liveSince ? this.liveSince : null,
      label: `live since ${clock(this.liveSince, state.zone)}`, colors: c,
    });
    this.lines.paint(points);
    if (fit && rows.length) {
      this.api.timeScale().setVisibleLogicalRange({ from: Math.max(0, points.length - 120), to: points.length + 3 });
    }
  }

  theme(name) {
    this.name = name in colors ? name : "dark";
    const c = colors[this.name];
    this.lines.theme(c);
    this.api?.applyOptions({ layout: { textColor: c.text }, grid: { vertLines: { color: c.grid }, horzLines: { color: c.grid } } });
    this.paint(false);
  }

  zone(zone) {
    if (!this.api) return;
    const step = intervalMs(JSON.parse(this.selected ?? "{}").interval ?? "") ?? 0;
    this.api.applyOptions({
      localization: { timeFormatter: (time) => `${moment(time * 1000, zone)} ${zoneName(zone)}` },
      timeScale: { tickMarkFormatter: (time, kind) => {
        const text = moment(time * 1000, zone);
        return kind < 3 ? text.slice(5, 10) : step >= 60000 ? text.slice(11, 16) : text.slice(11);
      } },
    });
  }

  key(event) {
    if (!this.api) return;
    const scale = this.api.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const width = range.to - range.from;
    const show = (from, to) => { event.preventDefault(); scale.setVisibleLogicalRange({ from, to }); };
    if (event.key === "ArrowLeft") show(range.from - width / 5, range.to - width / 5);
    else if (event.key === "ArrowRight") show(range.from + width / 5, range.to + width / 5);
    else if (event.key === "+") show(range.from + width / 5, range.to);
    else if (event.key === "-") show(range.from - width / 4, range.to);
    else if (event.key === "Home") show(0, width);
    else if (event.key === "End" || event.key.toLowerCase() === "l") { event.preventDefault(); scale.scrollToRealTime(); }
  }
}

export const chart = new Chart();

function word(row) {
  if (row.provisional) return row.partial ? "provisional, from its middle" : "provisional";
  return row.complete ? "complete" : "incomplete";
}

function Prediction({ row, zone }) {
  const made = chart.lines.predictionOf(row);
  return made && html`<span class="tag" data-predicted=${made.window_end}>predicted close ${number(made.price)}, made ${clock(made.made_at, zone)}</span>`;
}

function Legend({ row, zone, now }) {
  if (!row) return html`<p class="legend">–</p>`;
  const share = row.buy_volume === null || row.buy_volume === undefined || !row.volume ? "–" : `${Math.round((100 * row.buy_volume) / row.volume)} %`;
  return html`<p class="legend"><b>${clock(row.start, zone)}–${clock(row.end, zone)}</b>
    <span>O ${number(row.open)}</span> <span>H ${number(row.high)}</span> <span>L ${number(row.low)}</span> <span>C ${number(row.close)}</span>
    <span>V ${number(row.volume)}</span> ${row.vwap !== undefined && html`<span>vwap ${number(row.vwap)}</span>`}
    <span>${row.trades} ${row.trades === 1 ? "trade" : "trades"}</span> ${!row.provisional && html`<span>bought ${share}</span>`}
    <span class=${`tag ${row.provisional ? "open" : row.complete ? "" : "bad"}`}>${word(row)}</span>
    ${row.revision > 0 && html`<span class="tag open">revision ${row.revision}${row.before ? `: close ${number(row.before.close)} → ${number(row.close)}` : ""}</span>`}
    ${chart.lines.valuesOf(row).map(({ name, text }) => html`<span key=${name} class="feature">${name} <b>${text}</b></span>`)}
    <${Prediction} row=${row} zone=${zone} />
    ${row.provisional ? html`<small>closes in ${age((row.end - now) / 1000)}</small>`
      : html`<small>${row.stored_at ? `stored ${moment(row.stored_at, zone)}` : row.from === "store" ? "stored" : "from the topic"}</small>`}</p>`;
}

export function ChartScreen({ state }) {
  const selected = state.selected;
  if (!selected) return html`<p class="empty">No product yet. ${state.now?.sentence ?? ""} ${state.now?.remedy ?? ""}</p>`;
  const rows = chart.ordered();
  const row = (chart.hover !== null && rows.find((each) => each.start === chart.hover))
    || (chart.at !== null && rows.find((each) => each.start === chart.at)) || rows.at(-1);
  const now = state.now?.now ?? Date.now();
  const step = intervalMs(selected.interval);
  const names = state.now?.intervals?.length ? intervals() : [selected.interval];
  const products = state.now?.products ?? [];
  const known = products.some((each) => each.product === selected.product && each.exchange === selected.exchange);
  const list = known ? products : [{ exchange: selected.exchange, product: selected.product }, ...products];
  const here = productHash(selected.exchange, selected.product, selected.interval);
  const gaps = chart.gaps.slice(-3);
  const shownLines = chart.lines.names;
  return html`<div class="line"><h1><select aria-label="Product" onChange=${(event) => {
      const [exchange, product] = JSON.parse(event.target.value); go(productHash(exchange, product, selected.interval) + chart.lines.hash()); }}>
      ${list.map((each) => html`<option value=${JSON.stringify([each.exchange, each.product])}
        selected=${each.product === selected.product && each.exchange === selected.exchange}>${each.product} · ${each.exchange}</option>`)}</select></h1>
    <span class="intervals" role="group" aria-label="Interval">${names.map((name, index) => html`<a key=${name}
      href=${productHash(selected.exchange, selected.product, name) + chart.lines.hash()} title=${`key ${index + 1}`}
      aria-current=${name === selected.interval ? "true" : undefined}>${name}</a>`)}</span>
    <${Picker} lines=${chart.lines} />
    <small class="axis">times in ${zoneName(state.zone)}</small></div>
    <${Legend} row=${row} zone=${state.zone} now=${now} />
    <div id="chart" class=${`chart ${shownLines.length ? "tall" : ""}`} role="img" aria-label=${`Candles of ${selected.product}; the same rows are in the table below`}></div>
    ${chart.loaded && rows.length === 0 && html`<p class="empty">No candle of ${selected.product} in ${selected.interval} yet${step
      ? `: the present window closes in ${age((step - (now % step)) / 1000)}` : ""}.${chart.problem ? ` The store: ${chart.problem}` : ""}</p>`}
    ${chart.at !== null && html`<p class="note" data-note="around">Around ${moment(chart.at, state.zone)} ${zoneName(state.zone)}, as they were read; <a href=${here}>the newest</a></p>`}
    ${chart.liveSince && html`<p class="note" data-note="live">Live since ${moment(chart.liveSince, state.zone)} ${zoneName(state.zone)}: what is before came from history.</p>`}
    ${chart.problem && rows.length > 0 && html`<p class="note" data-note="store">From the topic alone; the store: ${chart.problem}</p>`}
    ${gaps.map((gap) => html`<p class="note">Trades ${gap.first} to ${gap.last} are lost, between ${clock(gap.from, state.zone)} and
      ${clock(gap.to, state.zone)}; their candles are incomplete. Repair: <code>from_day=${moment(gap.from, "utc").slice(0, 10)} make backfill</code></p>`)}
    <details class="table"><summary>The candles as a table</summary><div class="scroll"><table id="candles">
      <thead><tr><th>window (${zoneName(state.zone)})</th><th>open</th><th>high</th><th>low</th><th>close</th><th>volume</th><th>trades</th><th>state</th><th>revision</th>${shownLines.map((name) => html`<th key=${name}>${name}</th>`)}</tr></thead>
      <tbody>${rows.slice(-60).reverse().map((each) => html`<tr key=${each.start} data-start=${each.start} data-state=${word(each)}>
        <td>${moment(each.start, state.zone)}</td><td>${each.open}</td><td>${each.high}</td><td>${each.low}</td><td>${each.close}</td>
        <td>${each.volume}</td><td>${each.trades}</td><td>${word(each)}</td><td>${each.revision ?? ""}</td>
        ${chart.lines.valuesOf(each).map(({ name, value }) => html`<td key=${name}>${value ?? ""}</td>`)}</tr>`)}</tbody></table></div></details>`;
}

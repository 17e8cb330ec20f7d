/** Lines of a feature group below the candles, and predictions of the store's table beside them. */
import { LineSeries } from "./vendor/lightweight-charts.standalone.production.mjs";
import { html } from "./html.js";
import { intervalMs, number } from "./format.js";
import { draw, go, productHash, state } from "./page.js";

const PAGE = 900;
const FIRST_PANE = 2;
// The row of a group and a prediction follow their candle; asked for again until then.
const LOOKS_MS = [700, 1500, 3000];

export class FeatureLines {
  constructor(chart) {
    this.chart = chart; this.group = ""; this.names = []; this.groups = []; this.series = [];
    this.reset();
  }

  reset() {
    this.rows = new Map(); this.predicted = new Map(); this.asked = null; this.version = (this.version ?? 0) + 1;
    for (const timer of this.timers ?? []) clearTimeout(timer);
    this.timers = [];
  }

  // --- data -------------------------------------------------------------------------------

  async loadGroups() {
    try {
      const found = await (await fetch("/api/groups")).json();
      this.groups = found.groups ?? [];
    } catch { /* the chart names what is away */ }
    draw();
  }

  /** Show features of a group: the words of the address behind the interval. */
  choose(group, names) {
    const same = group === this.group;
    this.group = group; this.names = group ? names : [];
    if (!same) { this.rows = new Map(); this.asked = null; }
    this.build();
    this.chart.paint(false);
    this.load();
  }

  /** Show one feature more, or no longer; at once, so that a quick second click builds on it. */
  toggle(group, name) {
    const shown = group === this.group ? this.names : [];
    const names = shown.includes(name) ? shown.filter((each) => each !== name) : [...shown, name];
    this.choose(names.length ? group : "", names);
    const at = state.selected;
    go(productHash(at.exchange, at.product, at.interval) + this.hash());
    draw();
  }

  get step() { return intervalMs(JSON.parse(this.chart.selected ?? "{}").interval ?? ""); }

  hash(group = this.group, names = this.names) {
    return names.length ? `/${[group, names.join(",")].map(encodeURIComponent).join("/")}` : "";
  }

  async ask(path, parameters) {
    const version = this.version;
    const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
    const found = await answer.json();
    return version === this.version ? found : {};
  }

  /** Read what belongs to the candles that are loaded. */
  async load() {
    if (!this.chart.selected || !this.chart.rows.size) return;
    const oldest = this.chart.ordered()[0].start;
    if (this.asked !== null && oldest >= this.asked) return;
    const of = JSON.parse(this.chart.selected);
    const before = this.asked; this.asked = oldest;
    try { await this.read(of, { ...(before ? { before } : {}), from: oldest }); } catch { this.asked = before; }
    this.repaint();
  }

  async read(of, range) {
    const about = { ...of, limit: PAGE, ...range };
    if (this.group) {
      const found = await this.ask("/api/rows", { ...about, group: this.group, span: "no" });
      for (const row of found.rows ?? []) this.rows.set(row.window_start, row);
    }
    const made = await this.ask("/api/predictions", about);
    for (const each of made.predictions ?? []) {
      const target = each.window_end + (each.horizon - 1) * this.step;
      this.predicted.set(target, each);
    }
  }

  expectNew() {
    if (this.timers.length > 6) return;
    for (const wait of LOOKS_MS) {
      const timer = setTimeout(async () => {
        this.timers = this.timers.filter((each) => each !== timer);
        if (!this.chart.selected) return;
        try { await this.read(JSON.parse(this.chart.selected), { limit: 5 }); } catch { return; }
        this.repaint();
      }, wait);
      this.timers.push(timer);
    }
  }

  repaint() { this.chart.paint(false); draw(); }

  // --- drawing ----------------------------------------------------------------------------

  mount(api) { this.api = api; this.build(); }

  unmount() { this.api = null; this.series = []; this.dots = null; }

  theme(colors) {
    this.colors = [colors.line, colors.open, colors.up, colors.down, colors.grey];
    this.series.forEach((each, index) => each.applyOptions({ color: this.colors[index % 5] }));
    this.dots?.applyOptions({ color: colors.line });
  }

  /** One pane for each unit: features of one unit share a scale. */
  build() {
    if (!this.api) return;
    for (const each of this.series) this.api.removeSeries(each);
    while (this.api.panes().length > FIRST_PANE) this.api.removePane(this.api.panes().length - 1);
    const units = [];
    this.series = this.names.map((name, index) => {
      const unit = this.about(name)?.unit ?? name;
      if (!units.includes(unit)) units.push(unit);
      return this.api.addSeries(LineSeries, {
        title: name, lineWidth: 1, priceLineVisible: false, color: this.colors?.[index % 5],
        priceFormat: { type: "custom", minMove: 1e-9, formatter: (value) => Number(value.toPrecision(4)).toString() },
      }, FIRST_PANE + units.indexOf(unit));
    });
    for (const pane of this.api.panes().slice(FIRST_PANE)) pane.setStretchFactor(0.35);
    this.dots ??= this.api.addSeries(LineSeries, {
      lineVisible: false, pointMarkersVisible: true, pointMarkersRadius: 3, color: this.colors?.[0],
      lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false,
    });
  }

  paint(points) {
    if (!this.api || !this.dots) return;
    this.series.forEach((series, index) => {
      series.setData(points.map(({ time }) => {
        const value = this.rows.get(time * 1000)?.[this.names[index]];
        return value === null || value === undefined ? { time } : { time, value };
      }));
    });
    const dots = points.flatMap(({ time }) => {
      const made = this.predictionOf({ start: time * 1000 });
      return made ? [{ time, value: made.price }] : [];
    });
    this.dots.setData(dots);
  }

  about(name) {
    return this.groups.find((each) => each.table === this.group)?.features.find((each) => each.name === name);
  }

  valuesOf(row) {
    const values = this.rows.get(row.start);
    return this.names.map((name) => {
      const value = values?.[name];
      const text = !values ? "–" : value === null || value === undefined ? "not defined" : number(value);
      return { name, value, text };
    });
  }

  /** The prediction of a window's close: the close it was made from, and the expected return. */
  predictionOf(row) {
    const made = this.predicted.get(row.start);
    const base = made && this.chart.rows.get(made.window_end - this.step);
    return base ? { ...made, price: base.close * (1 + made.value) } : null;
  }
}

/** Which group, and which of its features. */
export function Picker({ lines }) {
  if (lines.groups.length === 0) return null;
  const group = lines.groups.find((each) => each.table === lines.group);
  return html`<details class="picker"><summary>features${lines.names.length ? `: ${lines.names.length}` : ""}</summary><div class="menu">
    ${lines.groups.map((each) => html`<fieldset key=${each.table}><legend>${each.table}</legend>
      ${each.features.map((feature) => {
        const mine = each === group;
        const on = mine && lines.names.includes(feature.name);
        return html`<label key=${feature.name} title=${feature.about}><input type="checkbox" checked=${on}
          onChange=${() => lines.toggle(each.table, feature.name)} /> ${feature.name} <small>${feature.unit}</small></label>`;
      })}</fieldset>`)}</div></details>`;
}

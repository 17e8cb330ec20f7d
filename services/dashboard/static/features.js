/** Features: rows of the store as they are, a page at a time, and files of them. */
import { html } from "./html.js";
import { moment, number } from "./format.js";
import { draw, intervals, productHash } from "./page.js";

const PAGE = 50;

class Rows {
  constructor() { this.selected = null; this.rows = []; this.span = null; this.problem = ""; this.before = []; this.loaded = false; this.group = ""; this.groups = []; }

  open(selected) {
    fetch("/api/groups").then((answer) => answer.json()).then((found) => { this.groups = found.groups ?? []; draw(); }).catch(() => {});
    if (!selected || JSON.stringify(selected) === JSON.stringify(this.selected)) { if (selected) this.load(); return; }
    this.selected = selected; this.before = []; this.load();
  }

  async load() {
    const parameters = new URLSearchParams({ ...this.query(), limit: PAGE });
    if (this.before.length) parameters.set("before", this.before.at(-1));
    try {
      const found = await (await fetch(`/api/rows?${parameters}`)).json();
      this.problem = found.error ?? ""; this.rows = found.rows ?? []; this.span = found.span ?? null;
    } catch { this.problem = "the dashboard's server did not answer"; }
    this.loaded = true; draw();
  }

  query() { return this.group ? { ...this.selected, group: this.group } : this.selected; }

  choose(group) { this.group = group; this.before = []; this.load(); }

  older() { if (this.rows.length) { this.before.push(this.rows.at(-1).window_start); this.load(); } }
  newer() { this.before.pop(); this.load(); }
}

export const features = new Rows();

const times = new Set(["window_start", "window_end", "stored_at"]);

function cell(name, value, zone) {
  if (value === null || value === undefined) return "null";
  if (times.has(name)) return moment(value, zone);
  return typeof value === "number" ? String(value) : String(value);
}

/** Whether the address alone does not open the store. */
const isHidden = (url) => !url || url.includes(":***@") || !url.includes("://");

/** The call that reads the same rows; a password in the store's address is left to the settings. */
function python(s, group, store) {
  const words = [...(group ? [group] : []), s.exchange, s.product, s.interval].map((word) => JSON.stringify(word));
  return `from ohlc_features import FeatureReader

with FeatureReader.open(${isHidden(store) ? "" : JSON.stringify(store)}) as reader:
    rows = reader.${group ? "features" : "candles"}(${words.join(", ")}, include_incomplete=True)`;
}

export function Features({ state }) {
  const stored = state.stored ?? [];
  if (!features.selected && stored.length) {
    const first = stored[0];
    features.open({ exchange: first.exchange, product: first.product_id, interval: first.candle_interval });
  }
  const selected = features.selected;
  if (!selected) return html`<p class="empty">No product yet. ${state.now?.store_problem ?? ""} ${state.now?.sentence ?? ""}</p>`;
  const choices = new Map(stored.map((row) => [JSON.stringify([row.exchange, row.product_id]), row]));
  for (const row of state.now?.products ?? []) choices.set(JSON.stringify([row.exchange, row.product]), row);
  choices.set(JSON.stringify([selected.exchange, selected.product]), selected);
  const names = [...new Set([...intervals(), selected.interval])];
  const query = new URLSearchParams(features.query());
  const columns = features.rows.length ? Object.keys(features.rows[0]) : [];
  const choose = (change) => { state.selected = { ...selected, ...change }; features.open(state.selected); draw(); };
  return html`<div class="line"><h1><select aria-label="Product" onChange=${(event) => {
      const [exchange, product] = JSON.parse(event.target.value); choose({ exchange, product }); }}>
      ${[...choices.keys()].map((key) => html`<option value=${key} selected=${key === JSON.stringify([selected.exchange, selected.product])}>${JSON.parse(key).reverse().join(" · ")}</option>`)}</select></h1>
      <span class="intervals" role="group" aria-label="Interval">${names.map((name) => html`<button key=${name} aria-pressed=${name === selected.interval}
        onClick=${() => choose({ interval: name })}>${name}</button>`)}</span>
      <select aria-label="Rows of" id="group" onChange=${(event) => features.choose(event.target.value)}>
        ${["", ...features.groups.map((each) => each.table)].map((name) => html`<option key=${name} value=${name} selected=${name === features.group}>${name || "candles"}</option>`)}</select>
      <a href=${productHash(selected.exchange, selected.product, selected.interval)}>chart</a></div>
    <p>${features.span?.rows ? html`<b>${number(features.span.rows)}</b> rows, ${moment(features.span.first, state.zone)} to ${moment(features.span.last, state.zone)}` : "No rows"} in ${state.now?.store ?? "the store"}.
      Download, at most a million rows: ${["csv", "jsonl", "parquet"].map((kind) => html`<a class="button" href=${`/api/export?${query}&format=${kind}`} download>${kind}</a> `)}</p>
    ${features.problem && html`<p class="note">The store cannot be read: ${features.problem}</p>`}
    ${features.loaded && !features.problem && !features.rows.length && html`<p class="empty">No stored row of ${features.group || "candles"} of ${selected.product} in ${selected.interval} yet.</p>`}
    ${features.rows.length > 0 && html`<div class="scroll"><table id="rows"><thead><tr>${columns.map((name) => html`<th>${name}</th>`)}</tr></thead>
      <tbody>${features.rows.map((row) => html`<tr key=${row.window_start}>${columns.map((name) => html`<td>${cell(name, row[name], state.zone)}</td>`)}</tr>`)}</tbody></table></div>
    <p><button disabled=${!features.before.length} onClick=${() => features.newer()}>newer</button>
      <button disabled=${features.rows.length < PAGE} onClick=${() => features.older()}>older</button></p>`}
    <h2>The same in Python</h2><pre><code id="python">${python(selected, features.group, state.now?.store)}</code></pre>`;
}


/** Runs: what is running, backfills with their progress, and reports of parity. */
import { html } from "./html.js";
import { moment, number } from "./format.js";
import { draw } from "./app.js";

class Reports {
  constructor() { this.reports = []; this.loaded = false; }

  open() {
    fetch("/api/reports").then((answer) => answer.json()).then((found) => {
      this.reports = found.reports; this.loaded = true; draw();
    }).catch(() => {});
  }
}

export const runs = new Reports();

function Product({ name, product, zone }) {
  return html`<tr><td>${name}</td><td><progress max="1" value=${product.fraction} aria-label=${name}></progress> ${Math.round(product.fraction * 100)} %</td>
    <td>${moment(product.at_us / 1000, zone)}</td><td>${number(product.trades)}</td><td>${number(product.missing_ids)}</td>
    <td>${product.is_done ? "done" : product.waiting ? `waiting ${product.waiting}` : "replaying"}</td></tr>`;
}

export function Runs({ state }) {
  const services = state.now?.services ?? [];
  const replays = services.filter((row) => row.name === "trade-replayer");
  const modes = state.now?.run?.modes ?? [];
  return html`<h2>Running <small>${modes.join(", ") || "no local run"}</small></h2>
    ${replays.length === 0 && html`<p class="empty">No backfill is running. Start one: <code>from_day=2026-01-01 make backfill</code></p>`}
    ${replays.map((row) => html`<article class="card" key=${row.url}><h3>backfill ${row.works_on.run_id} <span class="word">${row.state}</span></h3>
      <p>${row.message} <small>from ${row.works_on.source}; the same command resumes it</small></p>
      <div class="scroll"><table><thead><tr><th>product</th><th>done</th><th>reached</th><th>trades</th><th>missing ids</th><th></th></tr></thead>
      <tbody>${Object.entries(row.progress.products ?? {}).map(([name, product]) => html`<${Product} key=${name} name=${name} product=${product} zone=${state.zone} />`)}</tbody></table></div></article>`)}
    <h2>Parity <small>candles in the store against candles recomputed from the exchange's history</small></h2>
    ${runs.reports.length === 0 ? html`<p class="empty">No report in data/reports. Make one: <code>make verify</code></p>`
      : runs.reports.map((each) => html`<article class="card" key=${each.name}><h3>${each.name}</h3><pre><code>${JSON.stringify(each.report, null, 1).slice(0, 4000)}</code></pre></article>`)}`;
}

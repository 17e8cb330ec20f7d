/** Runs: what is running, backfills with their progress, and reports of parity. */
import { html } from "./html.js";
import { age, moment, number } from "./format.js";
import { draw, productHash } from "./page.js";

class RunsData {
  constructor() { this.reports = []; this.runs = []; this.at = 0; this.seen = new Map(); }

  open() {
    this.at = Date.now();
    fetch("/api/reports").then((answer) => answer.json()).then((found) => {
      this.reports = found.reports; this.runs = found.runs; draw();
    }).catch(() => {});
  }

  /** Seconds left, by the pace since this page first saw the product; null before it moved. */
  left(key, fraction) {
    const first = this.seen.get(key);
    if (!first || fraction < first.fraction) { this.seen.set(key, { at: Date.now(), fraction }); return null; }
    const done = fraction - first.fraction;
    return done > 0 ? ((1 - fraction) * (Date.now() - first.at)) / done / 1000 : null;
  }
}

export const runs = new RunsData();

function Product({ name, product, zone, url }) {
  const left = product.is_done ? null : runs.left(`${url} ${name}`, product.fraction);
  return html`<tr><td>${name}</td><td><progress max="1" value=${product.fraction} aria-label=${name}></progress> ${Math.round(product.fraction * 100)} %</td>
    <td>${product.is_done ? "" : left === null ? "not known yet" : `about ${age(left)}`}</td>
    <td>${moment(product.at_us / 1000, zone)}</td><td>${number(product.trades)}</td><td>${number(product.missing_ids)}</td>
    <td>${product.is_done ? "done" : product.waiting ? `waiting ${product.waiting}` : "replaying"}</td></tr>`;
}

function Command({ text }) {
  const copy = (event) => {
    const button = event.target;
    navigator.clipboard?.writeText(text).then(() => { button.textContent = "copied"; }).catch(() => {});
  };
  return html`<p>Goes on with: <code class="command">${text}</code> <button onClick=${copy}>copy</button></p>`;
}

function Replay({ row, run, zone }) {
  return html`<article class="card" data-run=${row.works_on.run_id}><h3>backfill ${row.works_on.run_id} <span class="word">${row.state}</span></h3>
    <p>${row.message} <small>from ${row.works_on.source}</small></p>
    <div class="scroll"><table><thead><tr><th>product</th><th>done</th><th>left</th><th>reached</th><th>trades</th><th>missing ids</th><th></th></tr></thead>
    <tbody>${Object.entries(row.progress.products ?? {}).map(([name, product]) => html`<${Product} key=${name} name=${name} product=${product} zone=${zone} url=${row.url} />`)}</tbody></table></div>
    ${run?.command && html`<${Command} text=${run.command} />`}</article>`;
}

function Verdict({ verdict, zone }) {
  const counts = ["expected", "matching", "missing", "extra", "different"];
  const same = verdict.expected_checksum === verdict.stored_checksum;
  const at = (start) => `${productHash(verdict.exchange, verdict.product_id, verdict.interval)}/@${start}`;
  return html`<tr class=${same ? "" : "warn"}><td>${verdict.product_id} <small>${verdict.exchange}</small></td><td>${verdict.interval}</td>
      ${counts.map((name) => html`<td key=${name}>${number(verdict[name])}</td>`)}
      <td><code>${verdict.expected_checksum.slice(0, 8)} ${same ? "=" : `≠ ${verdict.stored_checksum.slice(0, 8)}`}</code></td></tr>
    ${verdict.examples.map((each) => html`<tr class="warn"><td colspan="8" class="example"><a href=${at(each.window_start)}>${moment(each.window_start, zone)}</a>
      ${" "}${each.column ? `${each.column}: ` : ""}expected ${each.expected}, the store has ${each.stored}</td></tr>`)}`;
}

function Report({ name, report, zone }) {
  return html`<article class=${`card ${report.is_equal ? "" : "bad"}`} data-report=${name}>
    <h3>${name} <span class="word">${report.is_equal ? "● equal" : "▲ differs"}</span></h3>
    <p>${number(report.trades)} trades recomputed</p>
    <div class="scroll"><table><thead><tr><th>product</th><th>interval</th><th>candles</th><th>matching</th><th>missing</th><th>extra</th><th>different</th><th>checksum</th></tr></thead>
    <tbody>${(report.store ?? []).map((verdict) => html`<${Verdict} key=${verdict.product_id + verdict.interval} verdict=${verdict} zone=${zone} />`)}</tbody></table></div></article>`;
}

export function Runs({ state }) {
  if (Date.now() - runs.at > 5000) runs.open();
  const replays = (state.now?.services ?? []).filter((row) => row.name === "trade-replayer" && row.alive);
  const live = new Set(replays.map((row) => row.works_on.run_id));
  const modes = state.now?.run?.modes ?? [];
  const earlier = runs.runs.filter((run) => !live.has(run.run_id));
  return html`<h2>Running <small>${modes.join(", ") || "no local run"}</small></h2>
    ${replays.length === 0 && html`<p class="empty">No backfill is running. Start one: <code>from_day=2026-01-01 make backfill</code></p>`}
    ${replays.map((row) => html`<${Replay} key=${row.url} row=${row} run=${runs.runs.find((run) => run.run_id === row.works_on.run_id)} zone=${state.zone} />`)}
    ${earlier.length > 0 && html`<h2>Earlier backfills</h2>`}
    ${earlier.map((run) => html`<article class=${`card ${run.state === "complete" ? "" : "bad"}`} key=${run.run_id} data-run=${run.run_id}>
      <h3>${run.run_id} <span class="word">${run.state}</span></h3><p><small>since ${moment(run.at, state.zone)}</small></p>
      ${run.state !== "complete" && html`<${Command} text=${run.command} />`}</article>`)}
    <h2>Parity <small>candles in the store against candles recomputed from the exchange's history</small></h2>
    ${runs.reports.length === 0 ? html`<p class="empty">No report in data/reports. Make one: <code>make verify</code></p>`
      : runs.reports.map((each) => html`<${Report} key=${each.name} name=${each.name} report=${each.report} zone=${state.zone} />`)}`;
}

/** Health: the services and their parts, how old data is by stage, gaps, and what was rejected. */
import { html } from "./html.js";
import { age, clock, moment, number } from "./format.js";
import { draw } from "./page.js";

class Letters {
  constructor() { this.letters = []; this.at = 0; }

  open() {
    fetch("/api/dead-letters").then((answer) => answer.json()).then((found) => {
      this.letters = found.letters; this.at = Date.now(); draw();
    }).catch(() => {});
  }
}

export const health = new Letters();

const counts = [
  ["trade_producer_gaps_detected_total", "gaps found"], ["trade_producer_gaps_filled_total", "gaps filled"],
  ["trade_producer_ids_unresolved_total", "trades lost"], ["trade_producer_reconnects_total", "reconnects"],
  ["ohlc_late_trades_total", "late trades"], ["ohlc_revisions_total", "revised candles"],
  ["ohlc_duplicate_trades_total", "repeated trades dropped"], ["ohlc_dead_letters_total", "rejected by the aggregator"],
  ["feature_writer_dead_letters_total", "rejected by the writer"], ["feature_writer_candles_written_total", "candles written"],
];

function Service({ row, zone, now }) {
  const started = Date.parse(row.started_at);
  const parts = Object.entries(row.parts);
  return html`<article class=${`card ${row.healthy ? "" : "bad"}`} data-service=${row.name}>
    <h3>${row.name} <span class="word">${row.healthy ? "● " : "▲ "}${row.state}</span></h3>
    <p>${row.message || row.problem}</p>
    <p><small>version ${row.version || "unknown"}, pid ${row.pid ?? "–"}, up ${Number.isNaN(started) ? "–" : age((now - started) / 1000)},
      answered ${age(row.silent_seconds)} ago</small></p>
    ${parts.length > 0 && html`<ul class="parts">${parts.map(([name, part]) => html`<li key=${name} class=${part.healthy ? "" : "bad"}>
      ${part.healthy ? "●" : "▲"} ${name} <small>moved ${age(part.silent_seconds)} ago, allowed ${age(part.allowed_seconds)}</small></li>`)}</ul>`}
    ${Object.entries(row.progress.products ?? {}).filter(([, product]) => product?.open_gap).map(([name, product]) => html`<p class="note">
      ${name}: ids behind ${product.open_gap.after_id || "the start"}${product.open_gap.until_id ? ` and before ${product.open_gap.until_id}` : ""} missing
      for ${age(product.open_gap.open_seconds)}, asking history (${product.open_gap.attempts} of ${product.open_gap.max_attempts})</p>`)}
    ${(row.progress.gaps ?? []).slice(-5).map((gap) => html`<p class="note">${gap.product}: trades ${gap.first_missing_id} to ${gap.last_missing_id} lost,
      ${clock(gap.from_us / 1000, zone)} to ${clock(gap.to_us / 1000, zone)}</p>`)}</article>`;
}

export function Health({ state }) {
  const now = state.now;
  if (!now) return html`<p class="empty">No figures yet: the dashboard's server has not answered.</p>`;
  if (Date.now() - health.at > 5000) { health.at = Date.now(); health.open(); }
  const sums = Object.assign({}, ...now.services.map((row) => row.sums));
  const stages = Object.entries(now.freshness);
  return html`<h2>Services</h2>
    ${now.services.length === 0 && html`<p class="empty">No service is known here. Start one with <code>make demo</code>, or name them in DASHBOARD_SERVICES.</p>`}
    <div class="cards">${now.services.map((row) => html`<${Service} key=${row.url} row=${row} zone=${state.zone} now=${now.now} />`)}</div>
    ${now.broker_problem && html`<p class="note">Broker: ${now.broker_problem}</p>`}
    ${now.store_problem && html`<p class="note">Store: ${now.store_problem}</p>`}
    <h2>How old data is <small>live, last 5 minutes</small></h2>
    ${stages.length === 0 ? html`<p class="empty">No candle was made in the last minutes.</p>` : html`<table><thead><tr><th>stage</th><th>half within</th><th>99 % within</th></tr></thead>
      <tbody>${stages.map(([stage, value]) => html`<tr key=${stage}><td>${stage}</td><td>${age(value.p50 ?? undefined)}</td><td>${age(value.p99 ?? undefined)}</td></tr>`)}</tbody></table>`}
    <h2>Counted <small>since each service started</small></h2>
    <dl class="counts">${counts.filter(([name]) => name in sums).map(([name, words]) => html`<div key=${name}><dt>${words}</dt><dd>${number(sums[name])}</dd></div>`)}</dl>
    <h2>Rejected records <small>the last ${health.letters.length}</small></h2>
    ${health.letters.length === 0 ? html`<p class="empty">None: every record was understood.</p>` : html`<div class="scroll"><table id="letters">
      <thead><tr><th>when</th><th>reason</th><th>detail</th><th>from</th><th>payload</th></tr></thead>
      <tbody>${health.letters.map((letter) => html`<tr><td>${moment(letter.at, state.zone)}</td><td>${letter.reason}</td><td>${letter.detail}</td>
        <td>${letter.topic}${letter.offset >= 0 ? ` [${letter.partition}] @${letter.offset}` : ""}</td><td><code>${letter.payload.slice(0, 300)}</code></td></tr>`)}</tbody></table></div>`}`;
}

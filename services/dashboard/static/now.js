/** Now: the flow from the exchange to the store, and the products, worst first. */
import { html } from "./html.js";
import { age, number, percent, rate } from "./format.js";
import { go, intervals, productHash, setFilter, togglePin } from "./page.js";

const titles = {
  exchange: "exchange", "trade-producer": "producer", trades: "trades topic",
  "ohlc-aggregator": "aggregator", ohlc: "ohlc topic", "feature-writer": "writer", store: "store",
};
const good = new Set(["live", "quiet", "waiting", "done"]);

function Box({ box }) {
  const word = box.state ?? "unknown";
  const kind = good.has(word) ? "good" : ["unknown", "not running", "starting"].includes(word) ? "idle" : "bad";
  return html`<li class=${`box ${kind}`} data-part=${box.name} title=${box.message ?? ""}>
    <b>${titles[box.name] ?? box.name}${box.instances > 1 ? ` ×${box.instances}` : ""}</b>
    <span class="word">${word}</span>
    <span>${box.rate === undefined || box.rate === null ? "" : rate(box.rate)}</span>
    <span>${box.lag_seconds === undefined || box.lag_seconds === null ? "" : box.name === "exchange" ? `heard ${age(box.lag_seconds)} ago` : `${age(box.lag_seconds)} behind`}</span>
    <span>${box.lag_records === undefined || box.lag_records === null ? "" : `${number(box.lag_records)} waiting`}</span>
  </li>`;
}

function ageOf(ms, now) { return ms ? (now - ms) / 1000 : null; }

export function Now({ state }) {
  const now = state.now;
  if (!now) return html`<p class="empty">No figures yet: the dashboard's server has not answered.</p>`;
  const words = state.filter.toLowerCase();
  const rows = now.products
    .map((row) => ({ ...row, name: `${row.exchange}:${row.product}`, behind: ageOf(row.watermark, now.now) }))
    .filter((row) => row.name.toLowerCase().includes(words))
    .sort((a, b) => state.pins.has(b.name) - state.pins.has(a.name)
      || b.gaps - a.gaps || Math.round((b.behind ?? 1e9) / 5) - Math.round((a.behind ?? 1e9) / 5)
      || a.name.localeCompare(b.name));
  const interval = state.selected?.interval ?? intervals()[0];
  return html`<ol class="flow" aria-label="From the exchange to the store">${now.flow.map((box) => html`<${Box} key=${box.name} box=${box} />`)}</ol>
    <div class="line"><h2>Products <small>${rows.length} of ${now.products.length}, worst first</small></h2>
      <input id="filter" type="search" placeholder="filter ( / )" aria-label="Filter of the products" value=${state.filter}
        onInput=${(event) => setFilter(event.target.value)} /></div>
    ${rows.length === 0 ? html`<p class="empty">${now.products.length
      ? "No product has this in its name." : `No product on the topic yet. ${now.broker_problem || now.sentence}`}</p>` : html`
    <div class="scroll"><table class="products"><thead><tr><th></th><th>product</th><th>last price</th><th>change, 1 h</th>
      <th>last trade</th><th>event time behind</th><th>gaps</th><th>revisions</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.name} class=${row.gaps ? "warn" : ""}
          onClick=${() => go(productHash(row.exchange, row.product, interval))}>
        <td><button class="pin" aria-pressed=${state.pins.has(row.name)} aria-label=${`Pin ${row.name}`}
          onClick=${(event) => { event.stopPropagation(); togglePin(row.name); }}>${state.pins.has(row.name) ? "★" : "☆"}</button></td>
        <td><a href=${productHash(row.exchange, row.product, interval)}>${row.product}</a> <small>${row.exchange}</small></td>
        <td>${number(row.price)}</td><td>${percent(row.change)}</td>
        <td>${row.last_trade ? `${age(ageOf(row.last_trade, now.now))} ago` : "none yet"}</td>
        <td>${age(row.behind)}</td><td>${row.gaps}</td><td>${row.revisions}</td></tr>`)}</tbody></table></div>`}`;
}

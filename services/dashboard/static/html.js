/** htm bound to preact: html`<p>${text}</p>`; every text is escaped by preact. */
import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export { render } from "./vendor/preact.mjs";
export const html = htm.bind(h);

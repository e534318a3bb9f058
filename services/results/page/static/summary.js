// The summary follows the corrections that are made in other tabs of this browser.
import { byId, fail, parsePage, request } from "./api.js";

const main = byId("summary");

async function refresh() {
  const page = await parsePage(await request(location.pathname));
  main.replaceChildren(.../** @type {HTMLElement} */ (page.getElementById("summary")).children);
}

if (globalThis.BroadcastChannel) {
  new BroadcastChannel(`corrections ${main.dataset.job}`).addEventListener("message", () => refresh().catch(fail));
}
addEventListener("pageshow", (event) => event.persisted && refresh().catch(fail)); // the browser kept an older state

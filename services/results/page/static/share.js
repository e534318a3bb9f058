// The dialog that creates, lists and revokes links to this meeting.
import { byId, fail, request, say, sendJson } from "./api.js";

const path = `/v1/transcripts/${byId("meeting").dataset.job}/links`;
const dialog = /** @type {HTMLDialogElement} */ (byId("sharing"));
const hours = /** @type {HTMLSelectElement} */ (byId("link-hours"));
const address = /** @type {HTMLInputElement} */ (byId("link-address"));
const template = /** @type {HTMLTemplateElement} */ (byId("link"));

/** @typedef {{id: string, sound: boolean, emotion: boolean, expires_at: string}} Link */

/** @param {Link} link */
function describe(link) {
  const parts = [link.sound ? "with the recording" : "transcript only", link.emotion ? "with perceived emotion" : ""];
  return `${parts.filter(Boolean).join(", ")}, until ${new Date(link.expires_at).toLocaleString()}`;
}

/** @param {Link} link */
function item(link) {
  const line = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  const words = /** @type {HTMLElement} */ (line.querySelector("span"));
  words.textContent = describe(link);
  const button = /** @type {HTMLButtonElement} */ (line.querySelector("button"));
  button.setAttribute("aria-label", `Revoke the link ${words.textContent}`);
  button.addEventListener("click", () => attempt(async () => {
    await request(`${path}/${encodeURIComponent(link.id)}`, { method: "DELETE" });
    byId("link-made").hidden = true;
    await list();
    say("The link is revoked.");
  }));
  return line;
}

async function list() {
  const found = await (await request(path)).json();
  for (const option of hours.options) option.hidden = option.disabled = Number(option.value) > found.max_hours;
  byId("links").replaceChildren(...found.items.map(item));
  return found;
}

/** @param {() => Promise<unknown>} action */
async function attempt(action) {
  byId("link-failure").textContent = "";
  try {
    await action();
  } catch (error) {
    byId("link-failure").textContent = error instanceof Error ? error.message : String(error);
  }
}

const checked = (/** @type {string} */ id) => /** @type {HTMLInputElement | null} */ (document.getElementById(id))?.checked ?? false;

byId("share").hidden = false;
byId("link-copy").hidden = !navigator.clipboard; // browsers have it over TLS and on loopback addresses only
byId("share").addEventListener("click", async () => {
  try {
    const found = await list();
    const usual = [...hours.options].filter((option) => Number(option.value) <= found.default_hours);
    hours.value = (usual.at(-1) ?? hours.options[0]).value;
    dialog.showModal();
  } catch (error) {
    fail(error);
  }
});
byId("new-link").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const wanted = { expires_in_hours: Number(hours.value), sound: checked("link-sound"), emotion: checked("link-emotion") };
    const made = await (await sendJson("POST", path, wanted)).json();
    address.value = new URL(made.url, location.origin).href;
    byId("link-made").hidden = false;
    address.select();
    await list();
  });
});
byId("link-copy").addEventListener("click", () => attempt(async () => {
  await navigator.clipboard.writeText(address.value);
  say("Copied.");
}));
dialog.addEventListener("close", () => {
  byId("link-made").hidden = true;
  address.value = "";
});

// The pages for managing: buttons and forms that call the API, and what is shown only once.
import { byId, fail, parsePage, request, say, sendJson } from "./api.js";
import { showLocalTimes } from "./times.js";

const PENDING_MS = 2000;
const MAX_CHECKS = 60; // of pending deliveries, without an action in between
let checks = 0;
let timer = 0;

/** Show what needs scripts. @param {ParentNode} within */
function start(within) {
  showLocalTimes(within);
  for (const part of within.querySelectorAll(".actions, form[data-send]")) /** @type {HTMLElement} */ (part).hidden = false;
  clearTimeout(timer);
  if (document.querySelector("[data-pending]") && checks++ < MAX_CHECKS) timer = setTimeout(() => refresh().catch(fail), PENDING_MS);
}

/** Replace the list with its present state, and keep the keyboard's place and what is unfolded. */
async function refresh() {
  const fresh = (await parsePage(await request(location.pathname + location.search))).getElementById("shown");
  const shown = byId("shown");
  if (!fresh || !shown) return;
  const focused = shown.contains(document.activeElement) ? document.activeElement?.getAttribute("data-send") : undefined;
  const unfolded = [...shown.querySelectorAll("details")].map((one) => one.open);
  const grown = fresh.children.length - shown.children.length;
  shown.replaceChildren(...fresh.childNodes);
  shown.querySelectorAll("details").forEach((one, at) => (one.open = unfolded[at - grown] ?? false));
  start(document);
  if (focused === undefined) return;
  const again = focused && /** @type {HTMLElement | null} */ (shown.querySelector(`[data-send="${CSS.escape(focused)}"]`));
  if (again) return again.focus();
  const heading = /** @type {HTMLElement} */ (document.querySelector("h1"));
  heading.tabIndex = -1;
  heading.focus();
}

/** @param {HTMLElement} asked @returns {Promise<boolean>} whether the reader confirms */
async function confirmed(asked) {
  if (!asked.dataset.ask) return true;
  const dialog = /** @type {HTMLDialogElement} */ (byId("ask"));
  byId("ask-title").textContent = asked.dataset.ask;
  byId("ask-text").textContent = asked.dataset.why ?? "";
  byId("ask-yes").textContent = asked.dataset.yes ?? "";
  dialog.returnValue = "no";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  return dialog.returnValue === "yes";
}

/** @param {HTMLElement} asked @param {string} value */
async function showOnce(asked, value) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("once"));
  const field = /** @type {HTMLTextAreaElement} */ (byId("once-value"));
  byId("once-title").textContent = asked.dataset.once ?? "";
  byId("once-label").textContent = asked.dataset.label ?? "";
  field.value = value;
  dialog.showModal();
  field.select();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  field.value = "";
}

/** The fields of a form as the API expects them: boxes as lists, numbers as numbers. @param {HTMLFormElement} form */
function bodyOf(form) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const field of /** @type {Iterable<HTMLInputElement>} */ (form.elements)) {
    if (!field.name) continue;
    if (field.type === "checkbox") {
      const chosen = /** @type {string[]} */ (body[field.name] ??= []);
      if (field.checked) chosen.push(field.value);
    } else if ("number" in field.dataset) body[field.name] = field.value === "" ? null : Number(field.value);
    else body[field.name] = field.value.trim();
  }
  return body;
}

/** @param {HTMLElement} asked a button or a form @param {unknown} body */
async function send(asked, body) {
  if (!(await confirmed(asked))) return;
  const [method, path] = (asked.dataset.send ?? "").split(" ");
  const response = await (body === undefined ? request(path, { method }) : sendJson(method, path, body));
  const made = response.status === 204 ? {} : await response.json();
  if (asked instanceof HTMLFormElement && method === "POST") asked.reset();
  checks = 0;
  if (asked.dataset.next) return location.assign(asked.dataset.next);
  await refresh();
  if (asked.dataset.once) await showOnce(asked, made.key ?? made.secret);
  say(asked.dataset.said ?? "");
}

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("button[data-send]"));
  if (button) send(button, button.dataset.body && JSON.parse(button.dataset.body)).catch(fail);
});
document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.dataset.send) return;
  event.preventDefault();
  const failure = /** @type {HTMLElement} */ (form.querySelector(".failure"));
  failure.textContent = "";
  send(form, bodyOf(form)).catch((error) => (failure.textContent = error.message));
});
const copy = byId("copy");
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(/** @type {HTMLTextAreaElement} */ (byId("once-value")).value);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), PENDING_MS);
  });
}
start(document);

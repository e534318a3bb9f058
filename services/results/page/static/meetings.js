// The page of all meetings: live state, retry, delete, search.
import { byId, fail, parsePage, request, say } from "./api.js";
import { forgetUploads, startUploads } from "./upload.js";

const POLL_MS = 2000;
const IDLE_MS = 15000;
const list = byId("meetings");
let timer = 0;

/** Show times in the reader's time zone. @param {ParentNode} within */
function localise(within) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of within.querySelectorAll("time")) time.textContent = format.format(new Date(time.dateTime));
  for (const actions of within.querySelectorAll(".actions")) /** @type {HTMLElement} */ (actions).hidden = false;
}

/** Replace what has changed since the last answer, and keep the keyboard's focus. @param {Document} page */
function update(page) {
  const fresh = page.getElementById("meetings");
  if (!fresh) return;
  localise(fresh);
  const known = new Map([...list.children].map((row) => [row.id, row]));
  const rows = [...fresh.children].map((row) => {
    const old = known.get(row.id);
    if (!old?.isEqualNode(row) && !old?.contains(document.activeElement)) return row;
    if (old.getAttribute("data-status") !== row.getAttribute("data-status")) return row;
    old.querySelector(".state")?.replaceWith(row.querySelector(".state") ?? "");
    return old;
  });
  rows.forEach((row, at) => list.children[at] === row || list.insertBefore(row, list.children[at] ?? null));
  while (list.children.length > rows.length) list.lastElementChild?.remove();
}

async function refresh() {
  clearTimeout(timer);
  try {
    update(await parsePage(await request(location.pathname + location.search)));
  } catch {
    // The next attempt follows; a message every two seconds would help nobody.
  }
  const active = list.querySelector('[data-status="queued"], [data-status="running"]');
  timer = setTimeout(refresh, document.hidden || !active ? IDLE_MS : POLL_MS);
}

/** @param {HTMLElement} row */
async function retry(row) {
  await request(`/v1/jobs/${row.dataset.job}/retry`, { method: "POST" });
  say(`${row.dataset.name} is being transcribed again.`);
  await refresh();
}

/** @param {HTMLElement} row */
async function erase(row) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("confirm"));
  byId("confirm-name").textContent = row.dataset.name ?? "";
  dialog.returnValue = "keep";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "delete") return;
  await request(`/v1/jobs/${row.dataset.job}`, { method: "DELETE" });
  row.remove();
  say(`${row.dataset.name} was deleted.`);
  await refresh();
}

list.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-action]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-job]"));
  if (!button || !row) return;
  const action = button.getAttribute("data-action") === "retry" ? retry : erase;
  action(row).catch(fail);
});

/** @param {FormData} form */
async function search(form) {
  const body = new URLSearchParams(/** @type {any} */ (form));
  const hits = (await parsePage(await request("/search", { method: "POST", body }))).getElementById("hits");
  if (!hits) return;
  byId("hits").replaceChildren(...hits.childNodes);
  // In the entry of the history, so that "back" shows the hits again; not in its address.
  history.replaceState({ words: form.get("q") }, "");
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.action.endsWith("/sign-out")) forgetUploads();
  if (!form.action.endsWith("/search")) return;
  event.preventDefault();
  search(new FormData(form)).catch(fail);
});

if (history.state?.words) {
  /** @type {HTMLInputElement} */ (byId("q")).value = history.state.words;
  const form = new FormData();
  form.set("q", history.state.words);
  search(form).catch(fail);
}
localise(document);
startUploads(refresh);
timer = setTimeout(refresh, POLL_MS);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

// The page of all meetings: their state, retry, search, and the parts in other modules.
import { byId, fail, parsePage, request, say } from "./api.js";
import { eraseLater, isErased } from "./erase.js";
import { startLive } from "./live.js";
import { showLocalTimes } from "./times.js";
import { forgetUploads, startUploads } from "./upload.js";

const list = byId("meetings");
const newest = !location.search; // older pages are not followed: what happens, happens to new meetings

/** Show what needs scripts. @param {ParentNode} within */
function start(within) {
  showLocalTimes(within);
  for (const actions of within.querySelectorAll(".actions")) /** @type {HTMLElement} */ (actions).hidden = false;
}

/** Replace what has changed since the last answer, and keep the keyboard's focus. @param {Document} page */
function update(page) {
  const fresh = page.getElementById("meetings");
  if (!fresh) return;
  start(fresh);
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (fresh.querySelectorAll("[data-job]"))) row.hidden = isErased(row.dataset.job);
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
  update(await parsePage(await request(location.pathname + location.search)));
}

/** @param {import("./live.js").Job[]} jobs the newest, as the service has them now */
function compare(jobs) {
  const rows = /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("[data-job]"));
  const shown = [...rows].map((row) => `${row.dataset.job} ${row.dataset.status}`).join();
  if (shown !== jobs.map((job) => `${job.id} ${job.status}`).join()) refresh().catch(fail);
}

/** @param {import("./live.js").Job} job */
function proceed(job) {
  const bar = /** @type {HTMLProgressElement | null} */ (document.querySelector(`#job-${CSS.escape(job.id)} progress`));
  if (!bar || job.progress === undefined) return;
  bar.value = job.progress;
  const text = /** @type {Text} */ (bar.previousSibling);
  text.data = text.data.replace(/\d+ %/, `${Math.round(job.progress * 100)} %`);
}

/** @param {HTMLElement} row */
async function retry(row) {
  await request(`/v1/jobs/${row.dataset.job}/retry`, { method: "POST" });
  say(`${row.dataset.name} is being transcribed again.`);
  await refresh();
}

list.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-action]");
  const row = /** @type {HTMLElement | null} */ (button?.closest("[data-job]"));
  if (!button || !row) return;
  if (button.getAttribute("data-action") === "retry") retry(row).catch(fail);
  else eraseLater(row, event.detail === 0);
});

/** @param {FormData} form */
async function search(form) {
  const body = new URLSearchParams(/** @type {any} */ (form));
  const hits = (await parsePage(await request("/search", { method: "POST", body }))).getElementById("hits");
  if (!hits) return;
  byId("hits").replaceChildren(...hits.childNodes);
  // In the entry of the history, so that "back" shows the hits again; not in its address.
  history.replaceState({ asked: [...form] }, "");
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.action.endsWith("/sign-out")) forgetUploads();
  if (!form.action.endsWith("/search")) return;
  event.preventDefault();
  search(new FormData(form)).catch(fail);
});

if (history.state?.asked) {
  const form = new FormData();
  const fields = /** @type {HTMLFormElement} */ (byId("search")).elements;
  for (const [name, value] of history.state.asked) {
    form.set(name, value);
    const field = /** @type {HTMLInputElement | null} */ (fields.namedItem(name));
    if (field) field.value = value;
  }
  search(form).catch(fail);
}
start(document);
startUploads(refresh);
if (newest) startLive({ list: compare, job: proceed, refresh });

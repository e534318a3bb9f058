// Deletes a meeting after a time in which the reader can undo it.
import { byId, fail, request } from "./api.js";

const UNDO_MS = 10000;

/** @type {Map<string, {name: string, timer: number}>} by the id of the meeting */
const waiting = new Map();
/** The row as it is now: the list may have replaced it. @param {string} job */
const rowOf = (job) => document.getElementById(`job-${job}`);
const bar = byId("undo");
const text = byId("undo-text");

export const isErased = (/** @type {string | undefined} */ job) => waiting.has(job ?? "");

/** @param {string} job */
function keep(job) {
  waiting.delete(job);
  const row = rowOf(job);
  if (row) row.hidden = false;
  show();
  return row;
}

/** @param {string} job @param {RequestInit} [options] */
async function erase(job, options) {
  const one = waiting.get(job);
  if (!one) return;
  clearTimeout(one.timer);
  try {
    await request(`/v1/jobs/${job}`, { method: "DELETE", ...options });
    rowOf(job)?.remove();
  } catch (error) {
    fail(error);
  }
  keep(job);
}

function show() {
  const names = [...waiting.values()].map((one) => one.name);
  bar.hidden = !names.length;
  text.textContent = names.length > 1 ? `${names.length} meetings are deleted.` : names.length ? `${names[0]} is deleted.` : "";
}

/** Start the timers again, or stop them while the pointer or the focus is on the bar. @param {boolean} runs */
function runTimers(runs) {
  for (const [job, one] of waiting) {
    clearTimeout(one.timer);
    if (runs) one.timer = setTimeout(() => erase(job), UNDO_MS);
  }
}

/** @param {HTMLElement} row @param {boolean} byKeyboard */
export function eraseLater(row, byKeyboard) {
  const job = row.dataset.job ?? "";
  row.hidden = true;
  waiting.set(job, { name: row.dataset.name ?? "", timer: setTimeout(() => erase(job), UNDO_MS) });
  show();
  if (byKeyboard) byId("undo-button").focus();
}

byId("undo-button").addEventListener("click", () => {
  runTimers(false);
  const rows = [...waiting.keys()].map(keep);
  /** @type {HTMLElement | null | undefined} */ (rows[0]?.querySelector('[data-action="delete"]'))?.focus();
});
for (const event of ["pointerenter", "focusin"]) bar.addEventListener(event, () => runTimers(false));
for (const event of ["pointerleave", "focusout"]) bar.addEventListener(event, () => runTimers(true));
// Leaving the page confirms the deletions that were not undone.
addEventListener("pagehide", () => [...waiting.keys()].forEach((job) => erase(job, { keepalive: true })));

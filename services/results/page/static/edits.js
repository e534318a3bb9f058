// Sends edits one after the other, shows what they and other people changed, and undoes them.
import { Problem, byId, fail, parsePage, request, say, sendJson } from "./api.js";
import { showOverlaps, showRevision } from "./redraw.js";
import { replaceRibbon } from "./ribbon.js";
import { meeting } from "./transcript.js";

/** @typedef {{op: string, [field: string]: unknown}} Operation see docs/results.md */

const api = `/v1/transcripts/${meeting.dataset.job}/edits`;
export const mayEdit = meeting.dataset.edit === "yes";
export const CONFLICT = "Somebody else corrected this meeting in the meantime. Your change is not saved yet. ";

let revision = Number(meeting.dataset.revision);
let queue = Promise.resolve();
let waiting = 0;
let outdated = false; // the ribbon and the notes on overlaps
let timer = 0;
const PAUSE_MS = 300; // after an edit; several in a row draw the ribbon once
// The summary of the meeting in other tabs.
const others = globalThis.BroadcastChannel ? new BroadcastChannel(`corrections ${meeting.dataset.job}`) : null;

/** @param {() => Promise<Response>} call @returns {Promise<void>} when the page shows the result */
function enqueue(call) {
  waiting++;
  const done = queue.then(async () => {
    const state = await (await call()).json();
    revision = state.revision;
    if (await showRevision(state)) outdated = true;
    clearTimeout(timer);
    if (outdated) timer = setTimeout(() => showSpeaking().catch(fail), PAUSE_MS);
    others?.postMessage(revision);
    button("undo").disabled = !state.undo;
    button("redo").disabled = !state.redo;
  });
  queue = done.catch(() => {}).finally(() => waiting--);
  return done;
}

/** Fetch the ribbon and the notes on overlaps again, and show them. */
async function showSpeaking() {
  const seen = revision;
  const page = await parsePage(await request(`/meetings/${meeting.dataset.job}/ribbon`));
  if (seen !== revision) return; // a later edit has started another run
  outdated = false;
  replaceRibbon(page);
  await showOverlaps(page);
}

const button = (/** @type {string} */ id) => /** @type {HTMLButtonElement} */ (byId(id));

/**
 * Make one edit. Corrections that others made in the meantime are kept and shown; if they touch the same utterance or
 * speaker, the edit is refused with a conflict.
 * @param {Operation[]} operations
 */
export const commit = (operations) => enqueue(() => sendJson("POST", api, { operations, base: revision }));

/** Show what is stored now. After it, an edit that was refused can be repeated. */
export const refresh = () => enqueue(() => request(`${api}?base=${revision}`));

export const isConflict = (/** @type {unknown} */ error) => error instanceof Problem && error.code === "edit_conflict";

/** @param {"undo" | "redo"} step */
export function step(step) {
  if (!mayEdit || button(step).disabled) return;
  const said = step === "undo" ? "Undone." : "Done again.";
  enqueue(() => sendJson("POST", `${api}/${step}`, { base: revision })).then(
    () => say(said),
    async (error) => {
      if (isConflict(error)) await refresh().catch(() => {});
      fail(error);
    },
  );
}

export function startEdits() {
  if (!mayEdit) return;
  byId("editing").hidden = false;
  for (const id of /** @type {const} */ (["undo", "redo"])) button(id).addEventListener("click", () => step(id));
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector("dialog[open]")) return;
    if (/** @type {HTMLElement} */ (event.target).closest("input, textarea")) return; // the field has its own history
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    step(key === "y" || event.shiftKey ? "redo" : "undo");
  });
  addEventListener("beforeunload", (event) => waiting && event.preventDefault());
}

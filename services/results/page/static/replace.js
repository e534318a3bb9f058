// Finds and replaces text in the whole meeting: a preview with tick boxes, then one edit that can be undone.
import { byId, say } from "./api.js";
import { failed } from "./edit.js";
import { commit, mayEdit } from "./edits.js";
import { isLate, nextTask } from "./slices.js";
import { clock, lines, starts, textOf } from "./transcript.js";

const dialog = /** @type {HTMLDialogElement} */ (byId("replace"));
const list = byId("replace-hits");
const count = byId("replace-count");
const all = /** @type {HTMLInputElement} */ (byId("replace-all"));
const run = /** @type {HTMLButtonElement} */ (byId("replace-run"));
const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (byId(name));

const PART = 40; // rows that are added together
const PAUSE_MS = 150; // after the last key
/** @typedef {{index: number, at: number, parts: string[], found: string[]}} Hit parts: the text around what was found */
/** @type {Hit[]} */
let hits = [];
/** @type {Set<number>} */
const unticked = new Set();
let timer = 0;
let search = 0;

const clean = (/** @type {string} */ text) => text.split(/\s+/).filter(Boolean).join(" ");

/** The same rules as those of the service. @returns {RegExp | null} */
function pattern() {
  const escaped = field("replace-find").value.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  if (!escaped) return null;
  const whole = field("replace-whole").checked ? [String.raw`(?<![\p{L}\p{N}_])`, String.raw`(?![\p{L}\p{N}_])`] : ["", ""];
  return new RegExp(`${whole[0]}${escaped}${whole[1]}`, field("replace-case").checked ? "gu" : "giu");
}

/** The button stays disabled until every utterance is searched. */
async function preview() {
  const number = ++search;
  const wanted = pattern();
  const replacement = clean(field("replace-with").value);
  run.disabled = true;
  hits = [];
  unticked.clear();
  all.checked = true;
  list.replaceChildren();
  for (let at = 0; wanted && at < lines.length; at++) {
    if (isLate()) {
      await nextTask();
      if (number !== search) return; // a later preview has begun
    }
    const text = textOf(at)?.data ?? "";
    const parts = text.split(wanted);
    if (parts.length < 2) continue;
    const after = clean(parts.join(replacement));
    if (after && after !== text) hits.push({ index: Number(lines[at].id.slice(1)), at, parts, found: text.match(wanted) ?? [] });
  }
  showCount();
  showMore();
}

/** Rows are added when the reader scrolls near the last one, because thousands of rows are slow. */
function showMore() {
  const shown = list.children.length;
  const replacement = clean(field("replace-with").value);
  list.append(...hits.slice(shown, shown + PART).map((hit) => row(hit, replacement)));
}

/** @param {Hit} hit @param {string} replacement */
function row(hit, replacement) {
  const item = document.createElement("li");
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !unticked.has(hit.index);
  box.value = String(hit.index);
  label.append(box, ` ${clock(starts[hit.at])} `, hit.parts[0]);
  hit.found.forEach((found, number) => {
    label.append(element("del", found), element("ins", replacement), hit.parts[number + 1]);
  });
  item.append(label);
  return item;
}

/** @param {string} name @param {string} text */
function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function showCount() {
  const ticked = hits.length - unticked.size;
  count.textContent = field("replace-find").value ? `${ticked} of ${hits.length} utterances` : "";
  run.disabled = ticked === 0;
}

export function openReplace() {
  if (!mayEdit) return;
  dialog.showModal();
  field("replace-find").select();
  preview();
}

function replaceTicked() {
  const utterances = hits.map((hit) => hit.index).filter((index) => !unticked.has(index));
  const operation = {
    op: "replace",
    find: field("replace-find").value,
    replacement: field("replace-with").value,
    case: field("replace-case").checked,
    whole_words: field("replace-whole").checked,
    utterances,
  };
  dialog.close();
  commit([operation]).then(() => say(`Replaced in ${utterances.length} utterances. Ctrl Z undoes it.`), failed);
}

export function startReplace() {
  if (!mayEdit) return;
  byId("open-replace").addEventListener("click", openReplace);
  dialog.addEventListener("input", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box === all) {
      for (const hit of hits) all.checked ? unticked.delete(hit.index) : unticked.add(hit.index);
      for (const one of list.querySelectorAll("input")) one.checked = all.checked;
      showCount();
    } else if (list.contains(box)) {
      box.checked ? unticked.delete(Number(box.value)) : unticked.add(Number(box.value));
      showCount();
    } else {
      clearTimeout(timer);
      run.disabled = true;
      timer = setTimeout(preview, PAUSE_MS);
    }
  });
  list.addEventListener("scroll", () => {
    if (list.scrollTop + 2 * list.clientHeight > list.scrollHeight) showMore();
  });
  list.addEventListener("focusin", (event) => {
    if (list.lastElementChild?.contains(/** @type {Node} */ (event.target))) showMore();
  });
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    if (event.submitter !== run) return;
    event.preventDefault();
    clearTimeout(timer);
    replaceTicked();
  });
}

// Finds words within the meeting; the browser's own search works as well.
import { byId } from "./api.js";
import { choose } from "./player.js";
import { isLate, nextTask } from "./slices.js";
import { lines, list, textOf } from "./transcript.js";

const form = /** @type {HTMLFormElement} */ (byId("find"));
const field = /** @type {HTMLInputElement} */ (byId("find-words"));
const marks = globalThis.Highlight && CSS.highlights ? new Highlight() : null;
if (marks) CSS.highlights.set("found", marks);
/** @type {number[]} */
let hits = [];
let shown = -1;
let searches = 0;
let searched = Promise.resolve();

/** Without case and accents; every character keeps its position. @param {string} text */
function fold(text) {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  return Array.from(text.normalize("NFC"), (letter) => letter.normalize("NFD")[0].toLowerCase().slice(0, letter.length) || letter).join("");
}

async function search() {
  const number = ++searches;
  const wanted = fold(field.value.trim());
  marks?.clear();
  hits = [];
  shown = -1;
  for (let at = 0; wanted && at < lines.length; at++) {
    if (isLate()) {
      await nextTask();
      if (number !== searches) return;
    }
    const text = textOf(at);
    const folded = fold(text?.data ?? "");
    let from = folded.indexOf(wanted);
    if (from >= 0) hits.push(at);
    for (; from >= 0; from = folded.indexOf(wanted, from + wanted.length)) {
      if (folded.length !== text.length) break; // letters of several characters: the place is unknown
      marks?.add(new StaticRange({ startContainer: text, startOffset: from, endContainer: text, endOffset: from + wanted.length }));
    }
  }
  byId("find-count").textContent = wanted ? `${hits.length} found` : "";
}

const start = () => (searched = search());
list.addEventListener("relist", () => form.hidden || start());

export function openFind() {
  form.hidden = false;
  field.focus();
  field.select();
  start();
}

function close() {
  form.hidden = true;
  searches++;
  marks?.clear();
  field.blur(); // at once: a hidden field keeps the focus, and so the next keys, until the browser draws again
  if (hits[shown] !== undefined) /** @type {HTMLElement} */ (lines[hits[shown]].querySelector("a.at"))?.focus();
}

field.addEventListener("input", start);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await searched;
  if (!hits.length) return;
  shown = (shown + 1) % hits.length;
  byId("find-count").textContent = `${shown + 1} of ${hits.length}`;
  choose(hits[shown]);
  lines[hits[shown]].scrollIntoView({ block: "center" });
});
form.addEventListener("keydown", (event) => event.key === "Escape" && close());
byId("find-close").addEventListener("click", close);

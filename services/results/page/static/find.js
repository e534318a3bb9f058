// Finds words within the meeting; the browser's own search works as well.
import { byId } from "./api.js";
import { choose } from "./player.js";
import { lines, list, textOf } from "./transcript.js";

const form = /** @type {HTMLFormElement} */ (byId("find"));
const field = /** @type {HTMLInputElement} */ (byId("find-words"));
const marks = globalThis.Highlight && CSS.highlights ? new Highlight() : null;
if (marks) CSS.highlights.set("found", marks);
/** @type {number[]} */
let hits = [];
let shown = -1;

/** Without case and accents; every character keeps its position. @param {string} text */
const fold = (text) =>
  Array.from(text.normalize("NFC"), (letter) => letter.normalize("NFD")[0].toLowerCase().slice(0, letter.length) || letter).join("");

function search() {
  marks?.clear();
  hits = [];
  shown = -1;
  const wanted = fold(field.value.trim());
  if (wanted) {
    for (let at = 0; at < lines.length; at++) {
      const text = textOf(at);
      const folded = fold(text?.data ?? "");
      let from = folded.indexOf(wanted);
      if (from >= 0) hits.push(at);
      for (; from >= 0; from = folded.indexOf(wanted, from + wanted.length)) {
        if (folded.length !== text.length) break; // letters of several characters: the place is unknown
        const range = document.createRange();
        range.setStart(text, from);
        range.setEnd(text, from + wanted.length);
        marks?.add(range);
      }
    }
  }
  byId("find-count").textContent = wanted ? `${hits.length} found` : "";
}

list.addEventListener("relist", () => form.hidden || search());

export function openFind() {
  form.hidden = false;
  field.focus();
  field.select();
}

function close() {
  form.hidden = true;
  marks?.clear();
  if (hits[shown] !== undefined) /** @type {HTMLElement} */ (lines[hits[shown]].querySelector("a.at"))?.focus();
}

field.addEventListener("input", search);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!hits.length) return;
  shown = (shown + 1) % hits.length;
  byId("find-count").textContent = `${shown + 1} of ${hits.length}`;
  choose(hits[shown]);
  lines[hits[shown]].scrollIntoView({ block: "center" });
});
form.addEventListener("keydown", (event) => event.key === "Escape" && close());
byId("find-close").addEventListener("click", close);

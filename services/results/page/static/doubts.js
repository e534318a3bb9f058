// A guided pass over the words that the recogniser was not sure of: hear one, accept or correct it, go on to the next.
import { byId, say } from "./api.js";
import { failed } from "./edit.js";
import { commit, mayEdit } from "./edits.js";
import { choose, chosenLine, media, seek } from "./player.js";
import { doubtsOf, lines, list, positionOf, textOf, wordsOf } from "./transcript.js";

const AROUND = 0.6; // seconds before and after the word that are played
const form = /** @type {HTMLFormElement} */ (byId("doubt"));
const field = /** @type {HTMLInputElement} */ (byId("doubt-word"));
const mark = globalThis.Highlight && CSS.highlights ? new Highlight() : null;
if (mark) CSS.highlights.set("doubt", mark);

/** @type {HTMLElement | null} */
let line = null;
let position = -1; // of the word in the line
let stopAt = Infinity;

/** Go to the next doubtful word, from the one that is shown or from the chosen utterance. */
export function nextDoubt() {
  if (!mayEdit) return;
  const from = line?.isConnected ? positionOf(line) : Math.max(0, chosenLine());
  const after = line?.isConnected ? position : -1;
  for (let step = 0; step <= lines.length; step++) {
    const at = (from + step) % lines.length;
    const found = doubtsOf(at).find((one) => step > 0 || one > after);
    if (found !== undefined && wordsOf(at)[found]) return show(at, found);
  }
  close();
  return say("No doubtful words are left.");
}

/** @param {number} at @param {number} word */
function show(at, word) {
  const one = wordsOf(at)[word];
  const text = textOf(at);
  line = lines[at];
  position = word;
  choose(at);
  mark?.clear();
  const range = document.createRange();
  range.setStart(text, one.from);
  range.setEnd(text, one.to);
  mark?.add(range);
  form.hidden = false;
  field.value = text.data.slice(one.from, one.to);
  field.focus({ preventScroll: true });
  field.select();
  showCount();
  hear();
}

function showCount() {
  let count = 0;
  for (let at = 0; at < lines.length; at++) count += doubtsOf(at).length;
  byId("doubt-count").textContent = `${count} left`;
}

function hear() {
  const one = line && wordsOf(positionOf(line))[position];
  if (!one) return;
  stopAt = one.end + AROUND;
  seek(Math.max(0, one.start - AROUND), true);
}

function decide() {
  const at = line ? positionOf(line) : -1;
  const word = at >= 0 ? wordsOf(at)[position] : undefined;
  if (!line || !word) return nextDoubt();
  const utterance = Number(line.id.slice(1));
  const text = textOf(at).data;
  const typed = field.value.trim();
  if (typed === text.slice(word.from, word.to)) {
    line.dataset.d = doubtsOf(at).filter((one) => one !== position).join(" ");
    commit([{ op: "accept", utterance, words: [position] }]).catch(failed);
    return nextDoubt();
  }
  const corrected = `${text.slice(0, word.from)}${typed}${text.slice(word.to)}`.split(/\s+/).filter(Boolean).join(" ");
  position += typed.split(/\s+/).filter(Boolean).length - 1;
  return commit([{ op: "text", utterance, text: corrected }]).then(nextDoubt, failed);
}

function close() {
  form.hidden = true;
  stopAt = Infinity;
  mark?.clear();
  if (line?.isConnected) /** @type {HTMLElement} */ (line.querySelector("a.at")).focus();
  line = null;
}

export function startDoubts() {
  if (!mayEdit) return;
  byId("open-doubts").addEventListener("click", nextDoubt);
  byId("doubt-again").addEventListener("click", hear);
  byId("doubt-skip").addEventListener("click", nextDoubt);
  byId("doubt-close").addEventListener("click", close);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    decide();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    if (event.key === "ArrowDown") nextDoubt();
    else hear();
  });
  media?.addEventListener("timeupdate", () => {
    if (!media || media.currentTime < stopAt) return;
    media.pause();
    stopAt = Infinity;
  });
  list.addEventListener("click", () => (stopAt = Infinity)); // a word that the reader clicks is played on
}

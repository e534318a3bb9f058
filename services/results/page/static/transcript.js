// The utterances of the page: who speaks at a time, and where each word is in the text and in time.
import { byId } from "./api.js";

export const list = byId("lines");
export const meeting = byId("meeting");
export const duration = Number(meeting.dataset.duration);

/** @type {HTMLLIElement[]} */
export let lines = [];
export let starts = new Float64Array();
let ends = new Float64Array();
/** @type {Map<HTMLLIElement, number>} */
let positions = new Map();

/** Read the lines of the page again; their positions can change. */
export function relist() {
  lines = /** @type {any} */ ([...list.querySelectorAll("li[data-start]")]);
  starts = Float64Array.from(lines, (line) => Number(line.dataset.start));
  ends = Float64Array.from(lines, (line) => Number(line.dataset.end));
  positions = new Map(lines.map((line, at) => [line, at]));
  list.dispatchEvent(new Event("relist"));
}
relist();

/** @typedef {{from: number, to: number, start: number, end: number}} Word from and to: in the text; start and end: seconds */
/** @type {WeakMap<HTMLElement, Word[]>} */
const words = new WeakMap();

/** @param {Element | null} element @returns {number} the position of the utterance that contains the element, or -1 */
export const positionOf = (element) => positions.get(/** @type {any} */ (element?.closest("#lines li[data-start]"))) ?? -1;

export const endOf = (/** @type {number} */ at) => ends[at];

/** @param {number} at @returns {Text} */
export function textOf(at) {
  return /** @type {any} */ (lines[at].querySelector("p")?.firstChild);
}

/** The last utterance that has begun; -1 before the first. @param {number} time */
export function lineAt(time) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= time + 0.005) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** @param {number} at @returns {Word[]} parsed when first needed: a long meeting has tens of thousands */
export function wordsOf(at) {
  const line = lines[at];
  const known = words.get(line);
  if (known) return known;
  const text = textOf(at)?.data ?? "";
  const times = (line.dataset.t ?? "").split(" ").filter(Boolean).map(Number);
  const froms = line.dataset.o?.split(" ").map(Number) ?? [...text.matchAll(/\S+/g)].map((match) => match.index);
  const found = times.map((time, number) => {
    const next = froms[number + 1] ?? text.length;
    return {
      from: froms[number],
      to: froms[number] + text.slice(froms[number], next).trimEnd().length,
      start: starts[at] + time / 100,
      end: number + 1 < times.length ? starts[at] + times[number + 1] / 100 : ends[at],
    };
  });
  words.set(line, found);
  return found;
}

/** @param {number} at @param {number} time @returns {Word | undefined} */
export const wordAt = (at, time) => wordsOf(at).findLast((word) => word.start <= time + 0.005);

/** @param {number} at @param {number} offset in the text @returns {Word | undefined} */
export const wordOver = (at, offset) => wordsOf(at).find((word) => word.from <= offset && offset <= word.to);

/** @param {number | null} confidence */
const isDoubtful = (confidence) => confidence !== null && confidence < Number(meeting.dataset.doubt);

/** @param {number} at @returns {number[]} positions of words that the recogniser was not sure of */
export const doubtsOf = (at) => (lines[at].dataset.d ?? "").split(" ").filter(Boolean).map(Number);

/** Show the text of a corrected utterance. @param {HTMLLIElement} line @param {import("./redraw.js").Utterance} one */
export function replaceText(line, one) {
  const paragraph = /** @type {HTMLElement} */ (line.querySelector("p"));
  if (paragraph.textContent !== one.text) paragraph.textContent = one.text;
  words.delete(line);
  line.dataset.t = one.word_starts.map((start) => Math.round((start - one.start) * 100)).join(" ");
  line.dataset.d = one.word_confidences.flatMap((confidence, at) => (isDoubtful(confidence) ? [at] : [])).join(" ");
  delete line.dataset.o;
  if (one.words.join(" ") === one.text.split(/\s+/).join(" ")) return; // words are the parts between spaces
  let edge = 0;
  const places = one.words.map((word) => {
    const from = one.text.indexOf(word, edge);
    edge = from + word.length;
    return from;
  });
  if (places.includes(-1)) line.dataset.t = "";
  else line.dataset.o = places.join(" ");
}

/** @param {string} speaker @param {string} name */
export function showName(speaker, name) {
  for (const shown of document.querySelectorAll(`[data-name-of="${CSS.escape(speaker)}"]`)) shown.textContent = name;
}

/** @param {number} seconds */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// The utterances of the page: who speaks at a time, and where each word is in the text and in time.
import { byId } from "./api.js";

export const list = byId("lines");
export const meeting = byId("meeting");
export const duration = Number(meeting.dataset.duration);

/** @type {HTMLLIElement[]} */
export const lines = /** @type {any} */ ([...list.querySelectorAll("li[data-start]")]);
export const starts = Float64Array.from(lines, (line) => Number(line.dataset.start));
const ends = Float64Array.from(lines, (line) => Number(line.dataset.end));
const positions = new Map(lines.map((line, at) => [line, at]));

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

/**
 * Show a corrected utterance as the API returns it.
 * @param {number} at
 * @param {{text: string, start: number, words: {text: string, start: number}[]}} utterance
 */
export function replaceText(at, utterance) {
  const line = lines[at];
  textOf(at).data = utterance.text;
  line.dataset.t = utterance.words.map((word) => Math.round((word.start - utterance.start) * 100)).join(" ");
  delete line.dataset.o; // a corrected text is split at spaces
  words.delete(line);
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

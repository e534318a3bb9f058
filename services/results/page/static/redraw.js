// Shows corrected utterances and speakers without loading the page again, in parts so that nothing waits for it.
import { byId } from "./api.js";
import { isLate, nextTask } from "./slices.js";
import { clock, lines, list, meeting, positionOf, relist, replaceText, showName, starts } from "./transcript.js";

/**
 * @typedef {{index: number, start: number, end: number, speaker: string, text: string, words: string[],
 *   word_starts: number[], word_confidences: (number | null)[], emotion: string | null,
 *   emotion_confidence: number | null}} Utterance
 * @typedef {{id: string, name: string, talk_seconds: number}} Speaker
 * @typedef {{revision: number, undo: boolean, redo: boolean, utterances: Utterance[], removed: number[],
 *   speakers: Speaker[]}} Revision
 */

/** The values of an utterance that the ribbon shows. @param {HTMLElement} line */
const spokenOf = (line) => [line.dataset.speaker, line.dataset.start, line.dataset.end, line.querySelector(".reading")?.className].join();

/** @param {Revision} state @returns {Promise<boolean>} whether the ribbon and the notes on overlaps are outdated */
export async function showRevision(state) {
  let outdated = showSpeakers(state.speakers);
  for (const index of state.removed) document.getElementById(`u${index}`)?.remove();
  let moved = state.removed.length > 0;
  for (const one of state.utterances) {
    if (isLate()) await nextTask();
    const line = /** @type {HTMLLIElement} */ (document.getElementById(`u${one.index}`) ?? added(one));
    const before = spokenOf(line);
    moved ||= positionOf(line) < 0 || line.dataset.start !== String(one.start) || line.dataset.end !== String(one.end);
    show(line, one);
    outdated ||= before !== spokenOf(line);
  }
  if (moved) relist();
  return outdated || moved;
}

/** Replace the notes on overlaps by those of a page from the service. @param {Document} page */
export async function showOverlaps(page) {
  const notes = new Map([...page.querySelectorAll("#overlaps li")].map((one) => [`u${one.getAttribute("data-utterance")}`, one.textContent]));
  for (const line of lines) {
    if (isLate()) await nextTask();
    const note = notes.get(line.id);
    let shown = line.querySelector(".overlap");
    line.classList.toggle("overlaps", note !== undefined);
    if (note === undefined) shown?.remove();
    else if (!shown) {
      shown = document.createElement("span");
      shown.className = "overlap";
      line.querySelector("p")?.before(shown);
    }
    if (shown && note !== undefined && shown.textContent !== note) shown.textContent = note;
  }
}

/** A line for a new utterance, behind those that begin before it. @param {Utterance} one */
function added(one) {
  const template = /** @type {HTMLTemplateElement} */ (byId("line"));
  const line = /** @type {HTMLLIElement} */ (template.content.firstElementChild?.cloneNode(true));
  line.id = `u${one.index}`;
  /** @type {HTMLAnchorElement} */ (line.querySelector("a.at")).href = `#u${one.index}`;
  let before = /** @type {Element | null} */ (lines.findLast((other, at) => starts[at] <= one.start && other.isConnected) ?? null);
  while (before?.nextElementSibling && Number(before.nextElementSibling.getAttribute("data-start")) <= one.start) {
    before = before.nextElementSibling;
  }
  if (before) before.after(line);
  else list.querySelector("ol")?.prepend(line);
  return line;
}

/** @param {HTMLLIElement} line @param {Utterance} one */
function show(line, one) {
  line.dataset.start = String(one.start);
  line.dataset.end = String(one.end);
  line.dataset.speaker = one.speaker;
  /** @type {HTMLElement} */ (line.querySelector("a.at")).textContent = clock(one.start);
  replaceText(line, one);
  const name = /** @type {HTMLElement} */ (line.querySelector(".name"));
  name.textContent = nameOf(one.speaker);
  name.dataset.nameOf = one.speaker;
  line.className = line.className.replace(/\blane-\d\b/, laneOf(one.speaker));
  showReading(line, one);
}

/** @param {HTMLLIElement} line @param {Utterance} one */
function showReading(line, one) {
  let reading = /** @type {HTMLAnchorElement | null} */ (line.querySelector("a.reading"));
  if (!one.emotion || one.emotion_confidence === null) return reading?.remove();
  const label = `${one.emotion} ${Math.round(one.emotion_confidence * 100)} %`;
  if (reading?.textContent === label) return undefined;
  line.querySelector(".modalities")?.remove();
  if (!reading) {
    reading = document.createElement("a");
    reading.href = `/meetings/${meeting.dataset.job}/utterances/${one.index}`;
    line.querySelector(".name")?.after(" ", reading);
  }
  reading.className = `reading e-${one.emotion}`;
  reading.textContent = label;
  return undefined;
}

const rows = /** @type {HTMLElement} */ (document.querySelector(".speakers"));
const rowOf = (/** @type {string} */ speaker) => rows.querySelector(`[data-name-of="${CSS.escape(speaker)}"]`)?.closest("li");

export const nameOf = (/** @type {string} */ speaker) => rowOf(speaker)?.querySelector(".name")?.textContent ?? speaker;
const laneOf = (/** @type {string} */ speaker) => rowOf(speaker)?.className ?? "lane-0";

/** @returns {string[]} the ids of all speakers, in the order of their keys */
export const speakers = () => [...rows.querySelectorAll(".name")].map((name) => name.getAttribute("data-name-of") ?? "");

/** @param {Speaker[]} all @returns {boolean} whether names have changed */
function showSpeakers(all) {
  const known = new Set(all.map((one) => one.id));
  const before = [...rows.children].map((row) => row.querySelector(".name")?.textContent).join();
  for (const id of speakers()) if (!known.has(id)) rowOf(id)?.remove();
  byId("speaker-count").textContent = String(all.length);
  for (const one of all) {
    const row = rowOf(one.id) ?? addedRow(one.id);
    /** @type {HTMLElement} */ (row.querySelector(".facts")).textContent = clock(one.talk_seconds);
    if (nameOf(one.id) !== one.name) showName(one.id, one.name);
    row.querySelector("[data-rename]")?.setAttribute("aria-label", `Rename ${one.name}`);
  }
  return before !== all.map((one) => one.name).join();
}

/** @param {string} speaker */
function addedRow(speaker) {
  const row = /** @type {HTMLElement} */ (rows.querySelector("li")?.cloneNode(true));
  row.className = `lane-${rows.children.length % 8}`;
  const name = /** @type {HTMLElement} */ (row.querySelector(".name"));
  name.dataset.nameOf = speaker;
  name.textContent = "";
  row.querySelector("[data-rename]")?.setAttribute("data-rename", speaker);
  rows.append(row);
  return row;
}

// Keeps the recording and the transcript together: the current word, following, speed and loop.
import { byId } from "./api.js";
import { onPick, showTime } from "./ribbon.js";
import { duration, endOf, lineAt, lines, list, positionOf, starts, textOf, wordAt, wordsOf } from "./transcript.js";

/** @type {HTMLMediaElement | null} */
export const media = /** @type {any} */ (byId("media"));
const speed = /** @type {HTMLSelectElement} */ (byId("speed"));
const loopButton = byId("loop");
const followButton = byId("follow");
const lit = globalThis.Highlight && CSS.highlights ? new Highlight() : null;
if (lit) CSS.highlights.set("now", lit);

let current = -1; // position of the utterance that is heard
/** @type {unknown} */
let shownWord = null;
let following = true;
let looped = -1;
/** @type {HTMLElement | null} */
let loopedLine = null;
let chosen = -1; // position of the utterance that the keyboard is at

export const chosenLine = () => (chosen >= 0 ? chosen : current);

/** @param {number} at @param {boolean} [scroll] */
export function choose(at, scroll = true) {
  if (!lines[at]) return;
  lines[chosen]?.classList.remove("chosen");
  chosen = at;
  lines[at].classList.add("chosen");
  lines[at].dispatchEvent(new CustomEvent("choose", { bubbles: true }));
  if (scroll) {
    setFollowing(at === current);
    lines[at].scrollIntoView({ block: "nearest" });
  }
}

/** @param {number} time @param {boolean} [play] */
export function seek(time, play = false) {
  if (!media) return;
  media.currentTime = Math.min(Math.max(0, time), media.duration || duration);
  setFollowing(true);
  if (play) media.play().catch(() => {}); // a browser may refuse to play; its own controls show that
  show();
}

export function toggle() {
  if (media?.paused) media.play().catch(() => {});
  else media?.pause();
}

/** @param {number} steps */
export function changeSpeed(steps) {
  speed.selectedIndex = Math.min(Math.max(0, speed.selectedIndex + steps), speed.options.length - 1);
  applySpeed();
}

function applySpeed() {
  if (!media) return;
  media.preservesPitch = true;
  media.playbackRate = media.defaultPlaybackRate = Number(speed.value);
}

/** @param {number} at the utterance to repeat, or the repeated one to stop */
export function loop(at) {
  looped = looped === at ? -1 : at;
  loopedLine = lines[looped] ?? null;
  loopButton.setAttribute("aria-pressed", String(looped >= 0));
  if (looped >= 0) seek(starts[looped], true);
}

/** @param {number} steps words back or on */
export function stepWord(steps) {
  if (!media) return;
  const at = Math.max(0, lineAt(media.currentTime));
  const words = wordsOf(at);
  const number = words.indexOf(/** @type {any} */ (wordAt(at, media.currentTime))) + steps;
  if (words[number]) seek(words[number].start);
  else if (lines[at + Math.sign(steps)]) seek(steps > 0 ? starts[at + 1] : (wordsOf(at - 1).at(-1)?.start ?? starts[at - 1]));
}

/** @param {boolean} yes */
export function setFollowing(yes) {
  following = yes;
  followButton.hidden = following || current < 0;
  if (following) reveal();
}

export const backToNow = () => {
  lines[chosen]?.classList.remove("chosen");
  chosen = -1;
  setFollowing(true);
};

function reveal() {
  const box = lines[current]?.getBoundingClientRect();
  if (!box || (box.top > innerHeight * 0.25 && box.bottom < innerHeight * 0.75)) return;
  lines[current].scrollIntoView({ block: "center" });
}

/** Show the current time everywhere; does nothing where nothing has changed. */
function show() {
  if (!media) return;
  let time = media.currentTime;
  if (looped >= 0 && (time >= endOf(looped) || time < starts[looped] - 0.25)) media.currentTime = time = starts[looped];
  const at = lineAt(time);
  if (at !== current) {
    lines[current]?.removeAttribute("aria-current");
    current = at;
    lines[at]?.setAttribute("aria-current", "true");
    if (following) reveal();
    else followButton.hidden = false;
  }
  const word = at >= 0 && time <= endOf(at) + 0.2 ? wordAt(at, time) : undefined;
  if (word !== shownWord) light(at, word);
  showTime(time, following);
}

/** @param {number} at @param {import("./transcript.js").Word | undefined} word */
function light(at, word) {
  shownWord = word;
  lit?.clear();
  const text = word && textOf(at);
  if (!word || !text || word.to > text.length) return;
  const range = document.createRange();
  range.setStart(text, word.from);
  range.setEnd(text, word.to);
  lit?.add(range);
}

function frame() {
  show();
  if (media && !media.paused) requestAnimationFrame(frame);
}

list.addEventListener("relist", () => {
  chosen = positionOf(list.querySelector(".chosen"));
  current = positionOf(list.querySelector('[aria-current="true"]'));
  looped = positionOf(loopedLine);
  shownWord = null;
  show();
});

const READS_ON = new Set(["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"]);

if (media) {
  byId("controls").hidden = false;
  media.addEventListener("play", frame);
  for (const event of ["seeked", "timeupdate", "loadedmetadata"]) media.addEventListener(event, show);
  media.addEventListener("loadedmetadata", applySpeed);
  speed.addEventListener("change", applySpeed);
  loopButton.addEventListener("click", () => loop(looped >= 0 ? looped : Math.max(0, chosenLine())));
  followButton.addEventListener("click", backToNow);
  const stop = () => setFollowing(false);
  addEventListener("wheel", stop, { passive: true });
  addEventListener("touchmove", stop, { passive: true });
  addEventListener("keydown", (event) => READS_ON.has(event.key) && stop());
  addEventListener("pointerdown", (event) => event.target === document.documentElement && stop()); // the scroll bar
}

onPick((time) => {
  seek(time);
  choose(Math.max(0, lineAt(time)));
  setFollowing(true);
});

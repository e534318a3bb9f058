// The keyboard: every action has a key, and `?` shows them.
import { byId, fail } from "./api.js";
import { nextDoubt } from "./doubts.js";
import { edit, join, splitAtWord } from "./edit.js";
import { openFind } from "./find.js";
import { backToNow, changeSpeed, choose, chosenLine, loop, media, seek, stepWord, toggle } from "./player.js";
import { openReplace } from "./replace.js";
import { assign, clearSelection, extend, select } from "./speakers.js";
import { starts } from "./transcript.js";

const STEP = 5; // seconds

/** @param {(at: number) => Promise<unknown>} showReading */
export function startKeys(showReading) {
  const help = /** @type {HTMLDialogElement} */ (byId("help"));
  const here = () => Math.max(0, chosenLine());
  const move = (/** @type {number} */ by) => seek((media?.currentTime ?? 0) + by);
  /** @type {Record<string, (event: KeyboardEvent) => void>} */
  const keys = {
    " ": toggle,
    ArrowLeft: (event) => (event.shiftKey ? stepWord(-1) : move(-STEP)),
    ArrowRight: (event) => (event.shiftKey ? stepWord(1) : move(STEP)),
    j: () => choose(chosenLine() + 1),
    k: () => choose(chosenLine() - 1),
    Enter: () => seek(starts[here()], true),
    l: () => loop(here()),
    "-": () => changeSpeed(-1),
    "+": () => changeSpeed(1),
    "=": () => changeSpeed(1),
    b: backToNow,
    n: nextDoubt,
    "/": openFind,
    r: () => showReading(here()).catch(fail),
    e: () => edit(here()),
    p: () => edit(here(), "emotion"),
    s: () => splitAtWord(here()),
    m: () => join(here()),
    x: () => select(here()),
    J: () => extend(1),
    K: () => extend(-1),
    h: openReplace,
    Escape: clearSelection,
    "?": () => help.showModal(),
  };
  const button = byId("show-help");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());

  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const action = /^[1-9]$/.test(event.key) ? () => assign(Number(event.key) - 1) : keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || target.closest("input, textarea, select, audio, video")) return;
    if ((event.key === " " || event.key === "Enter") && target.closest("button, a, summary")) return;
    event.preventDefault();
    action(event);
  });
}

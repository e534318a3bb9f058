// The keyboard: every action has a key, and `?` shows them.
import { byId } from "./api.js";
import { openFind } from "./find.js";
import { backToNow, changeSpeed, choose, chosenLine, loop, media, seek, stepWord, toggle } from "./player.js";
import { starts } from "./transcript.js";

const STEP = 5; // seconds
/** The utterance that a key acts on. */
export const here = () => Math.max(0, chosenLine());

/** @param {Record<string, (event: KeyboardEvent) => void>} more keys, besides those for reading and hearing */
export function startKeys(more = {}) {
  const help = /** @type {HTMLDialogElement} */ (byId("help"));
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
    "/": openFind,
    "?": () => help.showModal(),
    ...more,
  };
  const button = byId("show-help");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());

  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || target.closest("input, textarea, select, audio, video")) return;
    if ((event.key === " " || event.key === "Enter") && target.closest("button, a, summary")) return;
    event.preventDefault();
    action(event);
  });
}

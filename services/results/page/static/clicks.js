// Handles clicks in the transcript: words and times play, and buttons apply to the chosen utterance.
import { byId } from "./api.js";
import { choose, chosenLine, loop, media, seek } from "./player.js";
import { lines, list, positionOf, starts, textOf, wordOver } from "./transcript.js";

const tools = /** @type {HTMLElement} */ (/** @type {HTMLTemplateElement} */ (byId("tools")).content.firstElementChild);

/** @param {MouseEvent} event @returns {{node: Node, offset: number} | null} the character below the pointer */
function characterAt(event) {
  if (document.caretPositionFromPoint) {
    const found = document.caretPositionFromPoint(event.clientX, event.clientY);
    return found && { node: found.offsetNode, offset: found.offset };
  }
  const found = document.caretRangeFromPoint?.(event.clientX, event.clientY);
  return found ? { node: found.startContainer, offset: found.startOffset } : null;
}

function openLinked() {
  const line = document.getElementById(location.hash.slice(1));
  const at = positionOf(line);
  if (at < 0) return;
  if (media && media.readyState === 0) media.addEventListener("loadedmetadata", () => seek(starts[at]), { once: true });
  else seek(starts[at]);
  choose(at, false);
  line?.scrollIntoView({ block: "center" });
}

/** @param {Record<string, (at: number) => unknown>} more actions of buttons, besides playing */
export function startClicks(more = {}) {
  /** @type {Record<string, (at: number) => unknown>} */
  const actions = { play: (at) => seek(starts[at], true), loop, ...more };
  list.addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const at = positionOf(target);
    if (at < 0 || target.closest("form") || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const action = target.closest("[data-do]")?.getAttribute("data-do") ?? (target.closest("a.reading") && "reading");
    if (action) {
      event.preventDefault();
      actions[action]?.(at);
      return;
    }
    if (target.closest(".modalities")) return;
    choose(at, false);
    if (target.closest("a.at")) {
      event.preventDefault();
      seek(starts[at], true);
      return;
    }
    const text = textOf(at);
    const character = target.closest("p") && getSelection()?.isCollapsed ? characterAt(event) : null;
    const word = character?.node === text ? wordOver(at, character.offset) : undefined;
    if (word) seek(word.start, true);
  });
  // The buttons exist only in the chosen utterance: in thousands of utterances they would slow the page down.
  list.addEventListener("choose", (event) => lines[positionOf(/** @type {Element} */ (event.target))].append(tools));
  list.addEventListener("focusin", (event) => {
    const at = positionOf(/** @type {Element} */ (event.target));
    if (at >= 0 && at !== chosenLine()) choose(at, false);
  });
  addEventListener("hashchange", openLinked);
  openLinked();
  document.addEventListener("click", (event) => {
    const menu = /** @type {HTMLDetailsElement} */ (byId("export"));
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.documentElement.dataset.ready = "yes"; // for tests: the scripts have started
}

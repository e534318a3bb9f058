// The page of one meeting: clicks in the transcript, readings, and the parts in other modules.
import { byId, fail, parsePage, request, say } from "./api.js";
import { startDoubts } from "./doubts.js";
import { edit, join } from "./edit.js";
import { startEdits } from "./edits.js";
import "./find.js";
import { startKeys } from "./keys.js";
import { choose, chosenLine, loop, media, seek } from "./player.js";
import "./place.js";
import { startReplace } from "./replace.js";
import { select, startSpeakers } from "./speakers.js";
import { lines, list, meeting, positionOf, starts, textOf, wordOver } from "./transcript.js";

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

/** Show or hide the readings of an utterance below it. @param {number} at */
async function showReading(at) {
  const line = lines[at];
  const shown = line.querySelector(".modalities");
  if (shown) return shown.remove();
  const link = /** @type {HTMLAnchorElement | null} */ (line.querySelector("a.reading"));
  if (!link) return undefined;
  const found = (await parsePage(await request(link.href))).getElementById("reading");
  if (!found) return undefined;
  found.removeAttribute("id");
  return line.append(found);
}

/** @param {number} at @param {string} action */
function act(at, action) {
  if (action === "play") seek(starts[at], true);
  if (action === "loop") loop(at);
  if (action === "reading") showReading(at).catch(fail);
  if (action === "edit") edit(at);
  if (action === "join") join(at);
  if (action === "select") select(at);
}

list.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const at = positionOf(target);
  if (at < 0 || target.closest("form") || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const button = target.closest("[data-do]");
  if (button) return act(at, button.getAttribute("data-do") ?? "");
  if (target.closest("a.reading")) {
    event.preventDefault();
    return showReading(at).catch(fail);
  }
  if (target.closest(".modalities")) return;
  choose(at, false);
  if (target.closest("a.at")) {
    event.preventDefault();
    return seek(starts[at], true);
  }
  const text = textOf(at);
  const character = target.closest("p") && getSelection()?.isCollapsed ? characterAt(event) : null;
  const word = character?.node === text ? wordOver(at, character.offset) : undefined;
  if (word) seek(word.start, true);
});

// The buttons are in the chosen utterance only: in each of thousands they would slow the page down.
list.addEventListener("choose", (event) => lines[positionOf(/** @type {Element} */ (event.target))].append(tools));
list.addEventListener("focusin", (event) => {
  const at = positionOf(/** @type {Element} */ (event.target));
  if (at >= 0 && at !== chosenLine()) choose(at, false);
});

function openLinked() {
  const line = document.getElementById(location.hash.slice(1));
  const at = positionOf(line);
  if (at < 0) return;
  if (media && media.readyState === 0) media.addEventListener("loadedmetadata", () => seek(starts[at]), { once: true });
  else seek(starts[at]);
  choose(at, false);
  line?.scrollIntoView({ block: "center" });
}

addEventListener("hashchange", openLinked);
startEdits();
startSpeakers();
startReplace();
startDoubts();
startKeys(showReading);
openLinked();
const caption = byId("caption");
if (caption) {
  caption.hidden = false;
  caption.addEventListener("click", async () => {
    try {
      await request(`/v1/transcripts/${meeting.dataset.job}/video`, { method: "POST" });
      caption.remove();
      say("The video is being made. Reload the page later to download it.");
    } catch (error) {
      fail(error);
    }
  });
}
document.addEventListener("click", (event) => {
  const menu = /** @type {HTMLDetailsElement} */ (byId("export"));
  if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
});
document.documentElement.dataset.ready = meeting.dataset.job; // for tests: the scripts have started

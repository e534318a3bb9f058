// The page of one meeting: its parts are in other modules; here are readings and the video with captions.
import { byId, fail, parsePage, request, say } from "./api.js";
import { startClicks } from "./clicks.js";
import { nextDoubt, startDoubts } from "./doubts.js";
import { edit, join, splitAtWord } from "./edit.js";
import { startEdits } from "./edits.js";
import "./find.js";
import { here, startKeys } from "./keys.js";
import "./place.js";
import { openReplace, startReplace } from "./replace.js";
import { assign, clearSelection, extend, select, startSpeakers } from "./speakers.js";
import { showLocalTimes } from "./times.js";
import { startTitle } from "./title.js";
import { lines, meeting } from "./transcript.js";

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
const toggleReading = (/** @type {number} */ at) => showReading(at).catch(fail);

for (const player of document.querySelectorAll(".player")) showLocalTimes(player);
startEdits();
startTitle();
startSpeakers();
startReplace();
startDoubts();
startKeys({
  n: nextDoubt,
  r: () => toggleReading(here()),
  e: () => edit(here()),
  p: () => edit(here(), "emotion"),
  s: () => splitAtWord(here()),
  m: () => join(here()),
  x: () => select(here()),
  J: () => extend(1),
  K: () => extend(-1),
  h: openReplace,
  Escape: clearSelection,
  ...Object.fromEntries(Array.from({ length: 9 }, (_, number) => [String(number + 1), () => assign(number)])),
});
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
startClicks({ reading: toggleReading, edit, join, select });

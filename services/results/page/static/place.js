// Keeps the reader's place and the recording's time when the page is loaded again in the same tab.
import { media, setFollowing } from "./player.js";
import { lines, list, meeting, positionOf } from "./transcript.js";

const TOP = 0.25; // of the window: below the bars that stay at its top
const KEY = `place ${meeting.dataset.job}`;

/** The utterance at the top of the window, and where it is. */
function placeNow() {
  const box = list.getBoundingClientRect();
  const line = document.elementFromPoint(box.left + box.width / 2, innerHeight * TOP)?.closest("#lines li[data-start]") ?? null;
  const at = positionOf(line);
  return { line: at < 0 ? null : lines[at].id, top: line?.getBoundingClientRect().top ?? 0, time: media?.currentTime ?? 0 };
}

function restore() {
  const stored = sessionStorage.getItem(KEY);
  if (!stored || location.hash) return;
  const place = JSON.parse(stored);
  const line = document.getElementById(place.line);
  setFollowing(false);
  if (place.time && media) media.currentTime = place.time;
  if (!line) return;
  // Twice: groups that come into view get their real height.
  for (let round = 0; round < 2; round++) {
    line.scrollIntoView({ block: "start" });
    scrollBy(0, line.getBoundingClientRect().top - place.top);
  }
}

history.scrollRestoration = "manual";
addEventListener("pagehide", () => sessionStorage.setItem(KEY, JSON.stringify(placeNow())));
restore();

// A shared meeting: a click on a time plays from there.

const media = /** @type {HTMLMediaElement | null} */ (document.getElementById("media"));

document.getElementById("lines")?.addEventListener("click", (event) => {
  const at = /** @type {HTMLElement} */ (event.target).closest("a.at");
  const line = /** @type {HTMLElement | null} */ (at?.closest("li") ?? null);
  if (!media || !line) return;
  event.preventDefault();
  media.currentTime = Number(line.dataset.start);
  media.play().catch(() => undefined); // the browser may refuse; the player shows its position
});

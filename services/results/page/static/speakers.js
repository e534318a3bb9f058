// Renames and merges speakers, and gives one or many utterances to another or a new speaker.
import { byId, say } from "./api.js";
import { failed, fillSpeakers } from "./edit.js";
import { CONFLICT, commit, isConflict, mayEdit, refresh } from "./edits.js";
import { choose, chosenLine } from "./player.js";
import { nameOf, speakers } from "./redraw.js";
import { lines, list, positionOf } from "./transcript.js";

const bar = byId("selection");
const target = /** @type {HTMLSelectElement} */ (byId("selection-speaker"));
const newName = /** @type {HTMLInputElement} */ (byId("selection-name"));
const NEW = "";

const selected = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".selected")]);

/** Select or deselect an utterance. @param {number} at */
export function select(at) {
  if (!mayEdit || !lines[at]) return;
  lines[at].classList.toggle("selected");
  showSelection();
}

/** Select the chosen utterance, and choose and select the next one. @param {number} step */
export function extend(step) {
  const at = Math.max(0, chosenLine());
  for (const one of [at, at + step]) if (mayEdit) lines[one]?.classList.add("selected");
  choose(at + step);
  showSelection();
}

function showSelection() {
  const count = selected().length;
  bar.hidden = count === 0;
  byId("selection-count").textContent = `${count} selected`;
  if (count === 1 || !target.options.length) {
    fillSpeakers(target);
    target.add(new Option("New speaker…", NEW));
    newName.hidden = target.value !== NEW;
  }
}

export function clearSelection() {
  for (const line of selected()) line.classList.remove("selected");
  showSelection();
}

/** Give the selected utterances, or else the chosen one, to the speaker with this number. @param {number} number */
export function assign(number) {
  const speaker = speakers()[number];
  if (mayEdit && speaker) move({ speaker });
}

/** @param {{speaker: string} | {name: string}} to */
function move(to) {
  const chosen = selected().length ? selected() : [lines[Math.max(0, chosenLine())]];
  const utterances = chosen.map((line) => Number(line.id.slice(1)));
  const name = "name" in to ? to.name : nameOf(to.speaker);
  commit([{ op: "speaker", utterances, ...to }]).then(() => {
    say(`${utterances.length} ${utterances.length === 1 ? "utterance" : "utterances"} given to ${name}.`);
    clearSelection();
  }, failed);
}

export function startSpeakers() {
  if (!mayEdit) return;
  target.addEventListener("change", () => (newName.hidden = target.value !== NEW));
  bar.addEventListener("submit", (event) => {
    event.preventDefault();
    if (target.value !== NEW) move({ speaker: target.value });
    else if (newName.value.trim()) move({ name: newName.value.trim() });
  });
  byId("selection-clear").addEventListener("click", clearSelection);
  list.addEventListener("relist", showSelection);
  list.addEventListener("click", (event) => {
    const at = positionOf(/** @type {Element} */ (event.target));
    if (event.shiftKey && at >= 0) select(at);
  });
  startRenaming();
}

function startRenaming() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("rename"));
  const field = /** @type {HTMLInputElement} */ (byId("new-name"));
  const into = /** @type {HTMLSelectElement} */ (byId("merge-into"));
  const place = byId("rename-failure");
  let speaker = "";
  const rows = /** @type {HTMLElement} */ (document.querySelector(".speakers"));
  for (const button of rows.querySelectorAll("button")) button.hidden = false;
  rows.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("[data-rename]");
    if (!button) return;
    speaker = button.getAttribute("data-rename") ?? "";
    field.value = nameOf(speaker);
    place.textContent = "";
    fillSpeakers(into);
    into.querySelector(`[value="${CSS.escape(speaker)}"]`)?.remove();
    byId("merge").hidden = into.options.length === 0;
    dialog.showModal();
    field.select();
  });
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    const chosen = event.submitter?.getAttribute("value");
    if (chosen === "cancel") return;
    event.preventDefault();
    const merging = chosen === "merge";
    const said = merging ? `${nameOf(speaker)} is now ${nameOf(into.value)}.` : `${field.value.trim()} is the new name.`;
    const one = merging ? { op: "merge", speaker, into: into.value } : { op: "rename", speaker, name: field.value.trim() };
    commit([one]).then(
      () => {
        dialog.close();
        say(said);
      },
      async (error) => {
        if (isConflict(error)) await refresh().catch(() => {});
        place.textContent = isConflict(error) ? `${CONFLICT}The speaker is now called “${nameOf(speaker)}”. Save again to replace that.` : error.message;
      },
    );
  });
}

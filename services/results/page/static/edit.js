// Corrects an utterance in place and saves automatically; a conflict with another author's correction loses no text.
import { byId, fail, say } from "./api.js";
import { CONFLICT, commit, isConflict, mayEdit, refresh } from "./edits.js";
import { choose, media } from "./player.js";
import { nameOf, speakers } from "./redraw.js";
import { lineAt, lines, positionOf, textOf, wordsOf } from "./transcript.js";

const AUTOSAVE_MS = 2000; // after the last key

/** @param {number} at @param {"text" | "emotion"} [field] the field that gets the focus */
export function edit(at, field = "text") {
  const line = lines[at];
  if (!mayEdit || !line || line.querySelector("form")) return;
  choose(at);
  const template = /** @type {HTMLTemplateElement} */ (byId("editor"));
  const form = /** @type {HTMLFormElement} */ (template.content.firstElementChild?.cloneNode(true));
  const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
  const speaker = /** @type {HTMLSelectElement} */ (form.elements.namedItem("speaker"));
  const emotion = /** @type {HTMLSelectElement | null} */ (form.elements.namedItem("emotion"));
  const place = /** @type {HTMLElement} */ (form.querySelector(".failure"));
  const saved = /** @type {HTMLElement} */ (form.querySelector(".saved"));
  fillSpeakers(speaker);
  const stored = () => textOf(positionOf(line))?.data ?? "";
  const label = () => line.querySelector("a.reading")?.textContent?.split(" ")[0] ?? "";
  text.value = stored();
  speaker.value = line.dataset.speaker ?? "";
  if (emotion && label()) emotion.value = label();
  else emotion?.closest(".field")?.remove();
  line.classList.add("editing");
  line.append(form);
  (field === "emotion" && emotion?.isConnected ? emotion : text).focus();
  let timer = 0;
  let conflict = false;
  let ended = false; // the form gets the event `focusout` also when it is removed

  const close = () => {
    ended = true;
    clearTimeout(timer);
    line.classList.remove("editing");
    form.remove();
    if (line.isConnected) /** @type {HTMLElement} */ (line.querySelector("a.at")).focus();
  };
  const typed = () => text.value.split(/\s+/).filter(Boolean).join(" ");
  const changes = () => {
    const utterance = Number(line.id.slice(1));
    const made = [];
    if (typed() && typed() !== stored()) made.push({ op: "text", utterance, text: typed() });
    if (emotion?.isConnected && emotion.value !== label()) made.push({ op: "emotion", utterance, emotion: emotion.value });
    if (speaker.value !== line.dataset.speaker) made.push({ op: "speaker", utterances: [utterance], speaker: speaker.value });
    return made;
  };
  /** @param {import("./edits.js").Operation[]} operations @returns {Promise<boolean>} whether they are saved */
  const save = async (operations) => {
    clearTimeout(timer);
    if (!operations.length) return true;
    try {
      await commit(operations);
      conflict = false;
      place.textContent = "";
      saved.textContent = "Saved";
      say("Saved.");
      return true;
    } catch (error) {
      saved.textContent = "Not saved";
      conflict = isConflict(error);
      if (conflict) await refresh().catch(() => {});
      place.textContent = conflict ? explanation(line, stored()) : error instanceof Error ? error.message : "It could not be saved.";
      place.scrollIntoView({ block: "nearest" });
      return false;
    }
  };
  const autosave = () => {
    if (!conflict && !ended) save(changes());
  };
  const split = async () => {
    const before = text.value.slice(0, text.selectionStart);
    const utterance = Number(line.id.slice(1));
    const word = typed() === stored() ? wordsBefore(positionOf(line), text.value, before) : tokensBefore(text.value, before);
    ended = true;
    ended = await save([...changes(), { op: "split", utterance, word }]);
    if (!ended) return;
    close();
    choose(positionOf(line) + 1);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await save(changes())) close();
  });
  text.addEventListener("input", () => {
    saved.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(autosave, AUTOSAVE_MS);
  });
  for (const select of [speaker, emotion]) select?.addEventListener("change", autosave);
  form.addEventListener("focusout", (event) => {
    if (!form.contains(/** @type {Node | null} */ (event.relatedTarget))) autosave();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key !== "Enter" || event.target !== text || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) split();
    else form.requestSubmit();
  });
  form.querySelector('[data-do="split-here"]')?.addEventListener("click", split);
  form.querySelector('[data-do="cancel"]')?.addEventListener("click", close);
}

/** @param {HTMLElement} line @param {string} stored */
function explanation(line, stored) {
  if (!line.isConnected) return `${CONFLICT}The utterance was joined with another one.`;
  return `${CONFLICT}The utterance now says: “${stored}” Save again to replace that, or cancel to keep it.`;
}

/** The word at which the cursor splits a text. @param {string} text @param {string} before the text before the cursor */
function tokensBefore(text, before) {
  const count = before.split(/\s+/).filter(Boolean).length;
  const within = /\S$/.test(before) && /^\S/.test(text.slice(before.length));
  return within ? count - 1 : count;
}

/** @param {number} at @param {string} text @param {string} before */
function wordsBefore(at, text, before) {
  const next = wordsOf(at).findIndex((word) => word.to > before.length);
  return next >= 0 ? next : tokensBefore(text, before);
}

/** @param {HTMLSelectElement} select */
export function fillSpeakers(select) {
  select.replaceChildren(...speakers().map((id) => new Option(nameOf(id), id)));
}

/** Split the chosen utterance before the word that is heard. @param {number} at */
export function splitAtWord(at) {
  if (!mayEdit) return undefined;
  const time = media?.currentTime ?? 0;
  const word = wordsOf(at).findLastIndex((one) => one.start <= time + 0.005);
  if (lineAt(time) !== at || word < 1) return say("Play to a word inside the utterance, or edit it (e) and press Ctrl Enter.");
  const utterance = Number(lines[at].id.slice(1));
  return commit([{ op: "split", utterance, word }]).then(() => choose(at + 1), failed);
}

/** Join the utterance with the next one of its speaker. @param {number} at */
export function join(at) {
  const line = lines[at];
  if (!mayEdit || !line) return;
  commit([{ op: "join", utterance: Number(line.id.slice(1)) }]).then(() => choose(positionOf(line)), failed);
}

/** @param {unknown} error */
export async function failed(error) {
  if (isConflict(error)) await refresh().catch(() => {});
  fail(error);
}

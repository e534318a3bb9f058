// Corrects utterances in place and renames speakers; a conflict with somebody else's correction loses no text.
import { Problem, byId, fail, parsePage, request, say, sendJson } from "./api.js";
import { choose } from "./player.js";
import { lines, meeting, replaceText, showName, textOf } from "./transcript.js";

const api = `/v1/transcripts/${meeting.dataset.job}`;
const mayEdit = meeting.dataset.edit === "yes";
const CONFLICT = "Somebody else corrected this meeting in the meantime. Your change is not saved yet. ";

/** @param {string} path @param {unknown} body */
async function patch(path, body) {
  const response = await sendJson("PATCH", api + path, body, { "If-Match": meeting.dataset.etag ?? "" });
  meeting.dataset.etag = response.headers.get("ETag") ?? "";
  return response.json();
}

/** After a conflict: what is stored now, and the ETag with which a second attempt replaces it. */
async function latest() {
  const page = await parsePage(await request(location.pathname));
  meeting.dataset.etag = page.getElementById("meeting")?.dataset.etag ?? "";
  return page;
}

/** @param {number} at */
export function edit(at) {
  const line = lines[at];
  if (!mayEdit || !line || line.querySelector("form")) return;
  choose(at);
  const template = /** @type {HTMLTemplateElement} */ (byId("editor"));
  const form = /** @type {HTMLFormElement} */ (template.content.firstElementChild?.cloneNode(true));
  const text = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("text"));
  const speaker = /** @type {HTMLSelectElement} */ (form.elements.namedItem("speaker"));
  const emotion = /** @type {HTMLSelectElement | null} */ (form.elements.namedItem("emotion"));
  const reading = line.querySelector("a.reading");
  const label = reading?.textContent?.split(" ")[0] ?? "";
  for (const option of speaker.options) option.textContent = nameOf(option.value);
  text.value = textOf(at)?.data ?? "";
  speaker.value = line.dataset.speaker ?? "";
  if (emotion && reading) emotion.value = label;
  else emotion?.closest(".field")?.remove();
  line.classList.add("editing");
  line.append(form);
  text.focus();

  const close = () => {
    line.classList.remove("editing");
    form.remove();
    /** @type {HTMLElement | null} */ (line.querySelector("a.at"))?.focus();
  };
  const save = async () => {
    const change = {
      ...(text.value.trim() !== textOf(at)?.data && { text: text.value.trim() }),
      ...(speaker.value !== line.dataset.speaker && { speaker: speaker.value }),
      ...(emotion && reading && emotion.value !== label && { emotion: emotion.value }),
    };
    if (Object.keys(change).length) {
      show(at, await patch(`/utterances/${line.id.slice(1)}`, change));
      say("Saved.");
    }
    close();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save().catch((error) => explain(error, at, /** @type {HTMLElement} */ (form.querySelector(".failure"))));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
    if (event.key === "Enter" && event.target === text && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.querySelector('[data-do="cancel"]')?.addEventListener("click", close);
}

/** @param {unknown} error @param {number} at @param {HTMLElement} place */
async function explain(error, at, place) {
  if (!(error instanceof Problem && error.status === 412)) {
    place.textContent = error instanceof Error ? error.message : "It could not be saved.";
    return;
  }
  const stored = (await latest()).querySelector(`#${lines[at].id} p`)?.textContent ?? "";
  place.textContent = `${CONFLICT}The utterance now says: “${stored}” Save again to replace that, or cancel and reload the page.`;
}

/** @param {number} at @param {any} utterance as the API returns it */
function show(at, utterance) {
  const line = lines[at];
  replaceText(at, utterance);
  line.dataset.speaker = utterance.speaker;
  const name = /** @type {HTMLElement} */ (line.querySelector(".name"));
  name.textContent = nameOf(utterance.speaker);
  name.dataset.nameOf = utterance.speaker;
  const row = document.querySelector(`.speakers [data-name-of="${CSS.escape(utterance.speaker)}"]`)?.closest("li");
  line.className = line.className.replace(/\blane-\d\b/, row?.className ?? "lane-0");
  const reading = line.querySelector("a.reading");
  if (reading && utterance.emotion) {
    reading.className = `reading e-${utterance.emotion.label}`;
    reading.textContent = `${utterance.emotion.label} ${Math.round(utterance.emotion.confidence * 100)} %`;
    line.querySelector(".modalities")?.remove();
  }
}

/** @param {string} speaker */
const nameOf = (speaker) => document.querySelector(`.speakers [data-name-of="${CSS.escape(speaker)}"]`)?.textContent ?? speaker;

export function startEditing() {
  if (!mayEdit) return;
  const dialog = /** @type {HTMLDialogElement} */ (byId("rename"));
  const field = /** @type {HTMLInputElement} */ (byId("new-name"));
  const place = byId("rename-failure");
  let speaker = "";
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-rename]"))) {
    button.hidden = false;
    button.setAttribute("aria-label", `Rename ${nameOf(button.dataset.rename ?? "")}`);
    button.addEventListener("click", () => {
      speaker = button.dataset.rename ?? "";
      field.value = nameOf(speaker);
      place.textContent = "";
      dialog.showModal();
      field.select();
    });
  }
  dialog.querySelector("form")?.addEventListener("submit", (event) => {
    if (event.submitter?.getAttribute("value") === "cancel") return;
    event.preventDefault();
    rename(speaker, field.value.trim()).then(
      () => dialog.close(),
      async (error) => {
        const conflict = error instanceof Problem && error.status === 412;
        if (conflict) await latest().catch(fail);
        place.textContent = conflict ? `${CONFLICT}Save again to keep it.` : error.message;
      },
    );
  });
}

/** @param {string} speaker @param {string} name */
async function rename(speaker, name) {
  const shown = await patch(`/speakers/${encodeURIComponent(speaker)}`, { name });
  showName(speaker, shown.name);
  document.querySelector(`[data-rename="${CSS.escape(speaker)}"]`)?.setAttribute("aria-label", `Rename ${shown.name}`);
  say(`${shown.name} is the new name.`);
}

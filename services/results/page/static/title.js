// Renames the meeting.
import { byId, say, sendJson } from "./api.js";
import { mayEdit } from "./edits.js";
import { meeting } from "./transcript.js";

export function startTitle() {
  if (!mayEdit) return;
  const dialog = /** @type {HTMLDialogElement} */ (byId("rename-meeting"));
  const field = /** @type {HTMLInputElement} */ (byId("new-title"));
  byId("open-title").addEventListener("click", () => {
    field.value = byId("title").textContent ?? "";
    byId("title-failure").textContent = "";
    dialog.showModal();
    field.select();
  });
  dialog.querySelector("form")?.addEventListener("submit", async (event) => {
    if (event.submitter?.getAttribute("value") === "cancel") return;
    event.preventDefault();
    try {
      const answer = await sendJson("PATCH", `/v1/jobs/${meeting.dataset.job}`, { name: field.value });
      const { name } = await answer.json();
      byId("title").textContent = name;
      document.title = `${name} – Undertone`;
      dialog.close();
      say(`${name} is the new name.`);
    } catch (error) {
      byId("title-failure").textContent = error instanceof Error ? error.message : String(error);
    }
  });
}

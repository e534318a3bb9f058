// Resumable uploads (tus 1.0): several at once, with pause, and continued after a reload of the page.
import { Problem, byId, fail, request, say, sendJson } from "./api.js";

const CHUNK = 8 << 20;
const ATTEMPTS = 5;
const TUS = { "Tus-Resumable": "1.0.0" };
const MEMORY = "undertone-uploads"; // unfinished uploads of this browser: name, size and time of the file, and the upload's address

/** @returns {Record<string, string>} */
const remembered = () => JSON.parse(localStorage.getItem(MEMORY) ?? "{}");

/** @param {string} key @param {string | null} url */
function remember(key, url) {
  const all = remembered();
  if (url) all[key] = url;
  else delete all[key];
  localStorage.setItem(MEMORY, JSON.stringify(all));
}

/** @returns {Record<string, unknown>} the options of the form, as fields of the API */
function chosenOptions() {
  const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id)).value.trim();
  const boxes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll('[name="modality"]')]);
  const modalities = boxes.filter((box) => box.checked).map((box) => box.value);
  const words = value("vocabulary").split(",").map((word) => word.trim()).filter(Boolean);
  return {
    ...(value("speakers") && { speakers: Number(value("speakers")) }),
    ...(value("language") && { language: value("language") }),
    ...(words.length && { vocabulary: words }),
    ...(value("purpose") && { purpose: value("purpose") }),
    ...(/** @type {HTMLInputElement} */ (byId("consent")).checked && { consent: { participants_informed: true } }),
    ...(/** @type {HTMLInputElement} */ (byId("captions")).checked && { captions: true }),
    // All boxes checked means all that the deployment allows.
    ...(modalities.length < boxes.length && { modalities }),
  };
}

/** The files that belong to the recording, and the options, as a form of the API. @param {string} upload @param {File[]} transcript @param {File[]} tracks */
function formOf(upload, transcript, tracks) {
  const form = new FormData();
  form.set("upload", upload);
  for (const [name, value] of Object.entries(chosenOptions())) form.set(name, typeof value === "object" && !Array.isArray(value) ? JSON.stringify(value) : String(value));
  for (const file of tracks) form.append("track", file);
  for (const file of transcript) form.append("transcript", file);
  return form;
}

const filesOf = (/** @type {string} */ id) => [.../** @type {HTMLInputElement} */ (byId(id)).files ?? []];

const keyOf = (/** @type {File} */ file) => `${file.name}-${file.size}-${file.lastModified}`;

/** @type {Set<string>} keys of the uploads on the page: a file that is chosen again is not sent twice */
const active = new Set();

/** Sign-out removes the names of files, so that the next user of this browser cannot read them. */
export const forgetUploads = () => localStorage.removeItem(MEMORY);

class Upload {
  /** @param {File} file @param {() => Promise<void>} submitted */
  constructor(file, submitted) {
    this.file = file;
    this.submitted = submitted;
    this.key = keyOf(file);
    this.url = remembered()[this.key] ?? "";
    this.paused = false;
    /** @type {XMLHttpRequest | null} */
    this.sending = null;
    this.row = document.createElement("li");
    this.label = document.createElement("label");
    this.bar = document.createElement("progress");
    this.bar.max = file.size;
    this.bar.value = 0;
    this.text = document.createElement("span");
    this.label.append(this.text, this.bar);
    this.button = document.createElement("button");
    this.stop = document.createElement("button");
    this.stop.className = "quiet";
    this.stop.textContent = "Cancel";
    this.stop.setAttribute("aria-label", `Cancel ${file.name}`);
    this.row.append(this.label, this.button, this.stop);
    this.button.addEventListener("click", () => (this.paused ? this.run() : this.pause()));
    this.stop.addEventListener("click", () => this.cancel().catch(fail));
  }

  /** @param {string} state @param {string} action */
  show(state, action) {
    this.text.textContent = `${this.file.name}: ${state}`;
    this.button.textContent = action;
    this.button.setAttribute("aria-label", `${action} ${this.file.name}`);
  }

  pause() {
    this.paused = true;
    this.sending?.abort();
    this.show("paused", "Resume");
  }

  end() {
    remember(this.key, null);
    active.delete(this.key);
    this.row.remove();
  }

  async cancel() {
    this.pause();
    this.end();
    if (this.url) await request(this.url, { method: "DELETE", headers: TUS });
  }

  async run() {
    this.paused = false;
    this.show("uploading", "Pause");
    try {
      for (let offset = await this.offset(); offset < this.file.size; ) offset = await this.send(offset);
      this.show("uploaded", "Pause");
      await this.submit(this.url.split("/").pop() ?? "");
      this.end();
      say(`${this.file.name} was uploaded and is being transcribed.`);
      await this.submitted();
    } catch (error) {
      if (this.paused) return;
      this.paused = true;
      this.show(error instanceof Error ? error.message : "failed", "Try again");
      this.row.classList.add("failure");
      // What the deployment requires can be stated in the options; the uploaded bytes are kept.
      if (error instanceof Problem && error.status === 422) /** @type {HTMLDetailsElement} */ (byId("options")).open = true;
      fail(error);
    }
  }

  /** @param {string} upload */
  async submit(upload) {
    const [transcript, tracks] = [filesOf("transcript"), filesOf("tracks")];
    if (!transcript.length && !tracks.length) return sendJson("POST", "/v1/recordings", { upload, ...chosenOptions() });
    const made = await request("/v1/recordings", { method: "POST", body: formOf(upload, transcript, tracks) });
    // They belong to this recording, not to the next.
    for (const id of ["transcript", "tracks"]) /** @type {HTMLInputElement} */ (byId(id)).value = "";
    return made;
  }

  /** Bytes that the service has already; creates the upload if there is none. @returns {Promise<number>} */
  async offset() {
    this.row.classList.remove("failure");
    if (this.url) {
      const known = await fetch(this.url, { method: "HEAD", headers: TUS });
      if (known.ok) return Number(known.headers.get("Upload-Offset"));
    }
    const bytes = new TextEncoder().encode(this.file.name);
    const name = btoa(String.fromCharCode(...bytes));
    const headers = { ...TUS, "Upload-Length": String(this.file.size), "Upload-Metadata": `filename ${name}` };
    const made = await request("/v1/uploads", { method: "POST", headers });
    this.url = made.headers.get("Location") ?? "";
    remember(this.key, this.url);
    return 0;
  }

  /** Send the next part; after a broken connection ask what arrived. @param {number} offset @returns {Promise<number>} */
  async send(offset) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.sendOnce(offset);
      } catch (error) {
        if (this.paused || attempt === ATTEMPTS || (error instanceof Problem && error.status >= 400 && error.status < 500)) throw error;
        await new Promise((done) => setTimeout(done, 500 * 2 ** attempt));
        offset = await this.offset();
        if (offset >= this.file.size) return offset;
      }
    }
  }

  /** @param {number} offset @returns {Promise<number>} */
  sendOnce(offset) {
    return new Promise((done, failed) => {
      const sending = (this.sending = new XMLHttpRequest());
      sending.open("PATCH", this.url);
      const headers = { ...TUS, "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream" };
      for (const [name, value] of Object.entries(headers)) sending.setRequestHeader(name, value);
      sending.upload.onprogress = (event) => this.progress(offset + event.loaded);
      sending.onload = () => {
        if (sending.status === 204) return done(Number(sending.getResponseHeader("Upload-Offset")));
        let body = {};
        try {
          body = JSON.parse(sending.responseText);
        } catch {
          // The status alone is reported.
        }
        failed(new Problem(sending.status, body));
      };
      sending.onerror = sending.onabort = () => failed(new Problem(0, { detail: "The connection was lost." }));
      sending.send(this.file.slice(offset, offset + CHUNK));
    });
  }

  /** @param {number} bytes */
  progress(bytes) {
    this.bar.value = bytes;
    const share = Math.floor((100 * bytes) / Math.max(1, this.file.size));
    if (!this.paused) this.text.textContent = `${this.file.name}: ${share} %`;
  }
}

/** Let the service fetch the recording; it answers when it has it. @param {HTMLFormElement} form */
async function fetchRecording(form) {
  const [field, button] = [/** @type {HTMLInputElement} */ (byId("address")), /** @type {HTMLButtonElement} */ (form.querySelector("button"))];
  button.disabled = true;
  say("The recording is being fetched.");
  try {
    await sendJson("POST", "/v1/recordings", { url: field.value, ...chosenOptions() });
    field.value = "";
    say("The recording was fetched and is being transcribed.");
  } finally {
    button.disabled = false;
  }
}

/** @param {() => Promise<void>} submitted called after a recording became a meeting */
export function startUploads(submitted) {
  const section = byId("upload");
  if (!section) return; // the key may not upload
  section.hidden = false;
  const add = (/** @type {Iterable<File>} */ files) => {
    for (const file of files) {
      if (active.has(keyOf(file))) continue;
      active.add(keyOf(file));
      const upload = new Upload(file, submitted);
      byId("uploads").append(upload.row);
      upload.run();
    }
  };
  const picker = /** @type {HTMLInputElement} */ (byId("files"));
  picker.addEventListener("change", () => {
    add([...(picker.files ?? [])]);
    picker.value = "";
  });
  const form = /** @type {HTMLFormElement} */ (byId("fetch"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    fetchRecording(form).then(submitted).catch(fail);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    section.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || section.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    section.classList.remove("over");
    add(event.dataTransfer?.files ?? []);
  });
}

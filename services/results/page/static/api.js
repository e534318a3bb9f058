// Requests to the service, messages to the reader, and HTML that the service rendered.

/** An error response of the service. */
export class Problem extends Error {
  /** @param {number} status @param {{detail?: string, hint?: string, code?: string}} body */
  constructor(status, body) {
    super([body.detail, body.hint].filter(Boolean).join(" ") || `The service answered ${status}.`);
    this.status = status;
    this.code = body.code ?? "";
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} a successful response; anything else is thrown
 */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, { detail: "The service cannot be reached. Check the connection and try again." });
  }
  if (response.status === 401) location.assign("/sign-in?next=" + encodeURIComponent(location.pathname));
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response;
}

/** @param {string} method @param {string} path @param {unknown} body @param {Record<string, string>} [headers] */
export function sendJson(method, path, body, headers = {}) {
  const all = { "Content-Type": "application/json", ...headers };
  return request(path, { method, headers: all, body: JSON.stringify(body) });
}

const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("undertone", {
  createHTML: (/** @type {string} */ html) => html,
});

/**
 * A page of this service as a document; its scripts do not run.
 * @param {Response} response
 */
export async function parsePage(response) {
  const html = await response.text();
  return new DOMParser().parseFromString(/** @type {any} */ (policy?.createHTML(html) ?? html), "text/html");
}

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

const SHOWN_MS = 10000;
let clearing = 0;

/** Show a message. @param {string} text */
export function say(text) {
  clearTimeout(clearing);
  byId("alert").textContent = "";
  byId("status").textContent = text;
  clearing = setTimeout(() => (byId("status").textContent = ""), SHOWN_MS);
}

/** Show an error; the message stays until the reader's next action. @param {unknown} error */
export function fail(error) {
  byId("status").textContent = "";
  byId("alert").textContent = error instanceof Error ? error.message : String(error);
  for (const event of ["keydown", "click"]) addEventListener(event, () => (byId("alert").textContent = ""), { once: true });
}

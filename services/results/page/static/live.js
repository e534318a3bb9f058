// The live state of the list: one stream of events for all rows, and polling with a reason where there is none.
import { byId, request } from "./api.js";

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 60000;
const FAILURES = 3; // in a row, before polling
const POLL_MS = 15000;

/**
 * @typedef {{id: string, status: string, progress?: number}} Job
 * @typedef {{list: (jobs: Job[]) => unknown, job: (job: Job) => unknown, refresh: () => Promise<unknown>}} Reactions
 */

/** Events of a stream, as they arrive. @param {Response} response */
async function* eventsOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop() ?? "";
    for (const event of events) {
      const field = (/** @type {string} */ name) => event.match(new RegExp(`^${name}: ?(.*)$`, "m"))?.[1];
      const data = field("data");
      if (data) yield { name: field("event") ?? "", data: JSON.parse(data) };
    }
  }
}

/** @param {number} ms @param {AbortSignal} signal */
const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => done(clearTimeout(timer)), { once: true });
  });

/** @param {Reactions} react @param {AbortSignal} signal */
async function follow(react, signal) {
  for (let failures = 0; !signal.aborted; ) {
    let reason = "The connection was closed.";
    const began = performance.now();
    try {
      const response = await request("/v1/jobs/events", { signal, headers: { Accept: "text/event-stream" } });
      for await (const event of eventsOf(response)) {
        failures = 0;
        show("");
        if (event.name === "list") react.list(event.data.items);
        if (event.name === "job") react.job(event.data);
      }
      if (performance.now() - began > MAX_RETRY_MS) continue; // its time was over
    } catch (error) {
      if (error instanceof Error && error.name !== "AbortError") reason = error.message;
    }
    if (signal.aborted) return;
    failures++;
    let wait = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), MAX_RETRY_MS) * (0.5 + Math.random());
    if (failures >= FAILURES) {
      show(`The live state is not available. ${reason} The list is updated every ${POLL_MS / 1000} seconds.`);
      for (; wait > POLL_MS && !signal.aborted; wait -= POLL_MS) {
        await react.refresh().catch(() => {}); // the reason is shown already
        await pause(POLL_MS, signal);
      }
      if (!signal.aborted) await react.refresh().catch(() => {});
    }
    await pause(wait, signal);
  }
}

/** @param {string} text */
function show(text) {
  const place = byId("live");
  if (place.textContent !== text) place.textContent = text;
}

/** Follow the jobs while the page is visible: a hidden page must not hold one of the browser's few connections. @param {Reactions} react */
export function startLive(react) {
  let controller = new AbortController();
  const start = () => {
    controller.abort();
    controller = new AbortController();
    if (!document.hidden) follow(react, controller.signal);
  };
  document.addEventListener("visibilitychange", start);
  addEventListener("pagehide", () => controller.abort());
  addEventListener("pageshow", (event) => event.persisted && start());
  start();
}

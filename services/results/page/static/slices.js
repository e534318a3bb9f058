// Divides long work into short tasks, so that the page reacts to the reader in between.

const SLICE_MS = 10;
let begun = 0;

/** Whether the work should wait for the next task; true at the first call of most tasks. */
export const isLate = () => performance.now() - begun > SLICE_MS;

/** The next task; the reader's input is handled first. */
export async function nextTask() {
  const browser = /** @type {any} */ (globalThis).scheduler;
  await (browser?.yield ? browser.yield() : new Promise((resolve) => setTimeout(resolve)));
  begun = performance.now();
}

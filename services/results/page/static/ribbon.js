// The ribbon: the time that is heard, a click that seeks, and a part of the meeting drawn larger.
import { byId } from "./api.js";
import { clock, duration, lineAt, lines, starts } from "./transcript.js";

const MOST = 256; // times larger
const SHORTEST = 10; // seconds of the meeting that are still drawn over the whole width
const HEIGHT = 18;
const LABEL_WIDTH = 28; // pixels that the three letters of a label need
const ribbon = byId("lanes");
const readout = byId("ribbon-now");
const place = /** @type {HTMLInputElement} */ (byId("zoom-place"));
const [zoomIn, zoomOut] = /** @type {HTMLButtonElement[]} */ ([byId("zoom-in"), byId("zoom-out")]);
const lanes = /** @type {SVGSVGElement[]} */ ([...ribbon.querySelectorAll("svg")]);
const heads = /** @type {SVGLineElement[]} */ ([...ribbon.querySelectorAll("line.now")]);
const whole = lanes.map((lane) => [...lane.children]); // as the service drew it

let zoom = 1;
let from = 0;
let now = 0;
const length = () => duration / zoom;

/** @typedef {{start: number, end: number, label: string}} Piece */
/** @param {string | undefined} text @returns {Piece[]} */
function piecesOf(text) {
  const parts = (text ?? "").trim().split(" ");
  const pieces = [];
  for (let at = 0; at + 2 < parts.length; at += 3) pieces.push({ start: +parts[at], end: +parts[at + 1], label: parts[at + 2] });
  return pieces;
}
/** @type {{pieces: Piece[], overlaps: Piece[]}[] | undefined} parsed when first needed */
let exact;

/** What is on the screen; neighbours of one label less than a pixel apart are one. @param {Piece[]} pieces @param {number} pixel seconds */
function visible(pieces, pixel) {
  /** @type {Piece[]} */
  const shown = [];
  for (const piece of pieces) {
    if (piece.end <= from || piece.start >= from + length()) continue;
    const last = shown.at(-1);
    if (last && last.label === piece.label && piece.start - last.end < pixel) last.end = piece.end;
    else if (piece.end - piece.start >= pixel || !last || piece.start - last.end >= pixel) shown.push({ ...piece });
  }
  return shown;
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function element(name, attributes, text = "") {
  const made = document.createElementNS(ribbon.querySelector("svg")?.namespaceURI ?? null, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.textContent = text;
  return made;
}

function draw() {
  exact ??= lanes.map((lane) => ({ pieces: piecesOf(lane.dataset.pieces), overlaps: piecesOf(lane.dataset.overlaps) }));
  const percent = 100 / length();
  const width = lanes[0]?.getBoundingClientRect().width || 1;
  const box = (/** @type {Piece} */ piece) => ({ x: `${(piece.start - from) * percent}%`, width: `${(piece.end - piece.start) * percent}%` });
  lanes.forEach((lane, at) => {
    if (zoom === 1) return lane.replaceChildren(...whole[at]);
    const drawn = [];
    for (const piece of visible(exact?.[at].pieces ?? [], length() / width)) {
      drawn.push(element("rect", { ...box(piece), height: HEIGHT, fill: `url(#p-${piece.label})` }));
      const start = Math.max(piece.start, from);
      const room = ((Math.min(piece.end, from + length()) - start) / length()) * width;
      if (room > LABEL_WIDTH && piece.label !== "unread") drawn.push(element("text", { x: `${(start - from) * percent + 0.5}%`, y: 13 }, piece.label.slice(0, 3)));
    }
    for (const piece of visible(exact?.[at].overlaps ?? [], length() / width)) drawn.push(element("rect", { ...box(piece), height: 4, class: "overlap-mark" }));
    lane.replaceChildren(...drawn, heads[at]);
  });
  byId("zoom-shown").textContent = zoom === 1 ? "" : `${clock(from)} to ${clock(from + length())}`;
  place.value = String(zoom === 1 ? 0 : Math.round((1000 * from) / (duration - length())));
  place.disabled = zoomOut.disabled = zoom === 1;
  zoomIn.disabled = zoom * 2 > MOST || length() / 2 < SHORTEST;
  moveHeads();
}

/** @param {number} start */
function move(start) {
  from = Math.min(Math.max(0, start), duration - length());
  draw();
}

/** Larger or smaller around the time that is heard, or else around the middle. @param {number} factor */
function scale(factor) {
  const around = now >= from && now <= from + length() ? now : from + length() / 2;
  const share = (around - from) / length();
  zoom *= factor;
  move(around - share * length());
}

function moveHeads() {
  const x = `${((100 * (now - from)) / length()).toFixed(2)}%`;
  for (const head of heads) {
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
  }
}

/** @param {number} time that is heard @param {boolean} follow keep it on the ribbon */
export function showTime(time, follow) {
  now = time;
  if (follow && (time < from || time > from + length())) move(time - length() / 10);
  else moveHeads();
}

/** @param {MouseEvent} event */
function timeAt(event) {
  const box = lanes[0]?.getBoundingClientRect();
  return box ? from + (length() * Math.min(Math.max(0, event.clientX - box.left), box.width)) / box.width : 0;
}

/** @param {(time: number) => void} seek */
export const onPick = (seek) => ribbon.addEventListener("click", (event) => seek(timeAt(event)));

ribbon.addEventListener("pointermove", (event) => {
  const at = lineAt(timeAt(event));
  const one = lines[at];
  const part = (/** @type {string} */ name) => one?.querySelector(name)?.textContent ?? "";
  readout.textContent = one ? `${clock(starts[at])} ${part(".name")} ${part(".reading")}` : "";
});
byId("zoom").hidden = duration < 2 * SHORTEST;
zoomIn.addEventListener("click", () => scale(2));
zoomOut.addEventListener("click", () => scale(0.5));
place.addEventListener("input", () => move((Number(place.value) / 1000) * (duration - length())));

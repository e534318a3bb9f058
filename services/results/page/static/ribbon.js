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

/**
 * @typedef {{start: number, end: number, label: string}} Piece
 * @typedef {{svg: SVGSVGElement, whole: Element[], head: Element, pieces: Piece[], overlaps: Piece[]}} Lane
 *   whole: the elements that the service rendered; pieces and overlaps: exact times, to draw a part larger
 */
/** @type {Lane[]} */
let lanes = [];
let zoom = 1;
let from = 0;
let now = 0;
const length = () => duration / zoom;

/** @param {string | undefined} text @returns {Piece[]} */
function piecesOf(text) {
  const parts = (text ?? "").trim().split(" ");
  const pieces = [];
  for (let at = 0; at + 2 < parts.length; at += 3) pieces.push({ start: +parts[at], end: +parts[at + 1], label: parts[at + 2] });
  return pieces;
}

function readLanes() {
  lanes = [...ribbon.querySelectorAll(".lane > svg")].map((one) => {
    const svg = /** @type {SVGSVGElement} */ (one);
    const head = /** @type {Element} */ (svg.querySelector("line.now"));
    return { svg, head, whole: [...svg.children], pieces: piecesOf(svg.dataset.pieces), overlaps: piecesOf(svg.dataset.overlaps) };
  });
}

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

/** @param {string} name @param {Record<string, string | number>} attributes @param {...(Node | string)} content */
function element(name, attributes, ...content) {
  const made = document.createElementNS(lanes[0].svg.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...content);
  return made;
}

/** One path for all pieces, in a unit square, because hundreds of elements are slow. @param {Piece[]} pieces */
function pathOf(pieces) {
  const x = (/** @type {number} */ time) => ((time - from) / length()).toFixed(5);
  return pieces.map((piece) => `M${x(piece.start)} 0H${x(piece.end)}v1H${x(piece.start)}z`).join("");
}

/** Draws the same elements as `ribbon.html`. @param {Lane} lane @param {number} at @param {number} width pixels */
function drawn(lane, at, width) {
  /** @type {Map<string, Piece[]>} */
  const byLabel = new Map();
  const made = [];
  const texts = [];
  for (const piece of visible(lane.pieces, length() / width)) {
    if (!byLabel.get(piece.label)?.push(piece)) byLabel.set(piece.label, [piece]);
    const start = Math.max(piece.start, from);
    const room = ((Math.min(piece.end, from + length()) - start) / length()) * width;
    if (room > LABEL_WIDTH && piece.label !== "unread") texts.push(element("text", { x: `${(100 * (start - from)) / length() + 0.5}%`, y: 13 }, piece.label.slice(0, 3)));
  }
  for (const [label, pieces] of byLabel) {
    const id = `c-${at}-${label}`;
    made.push(element("clipPath", { id, clipPathUnits: "objectBoundingBox" }, element("path", { d: pathOf(pieces) })));
    made.push(element("rect", { width: "100%", height: HEIGHT, fill: `url(#p-${label})`, "clip-path": `url(#${id})` }));
  }
  const overlaps = visible(lane.overlaps, length() / width);
  const box = { width: "100%", height: 4, viewBox: "0 0 1 1", preserveAspectRatio: "none" };
  if (overlaps.length) texts.push(element("svg", box, element("path", { class: "overlap-mark", d: pathOf(overlaps) })));
  return [...made, ...texts, lane.head];
}

function draw() {
  const width = lanes[0]?.svg.getBoundingClientRect().width || 1;
  lanes.forEach((lane, at) => lane.svg.replaceChildren(...(zoom === 1 ? lane.whole : drawn(lane, at, width))));
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
  for (const { head } of lanes) {
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
  const box = lanes[0]?.svg.getBoundingClientRect();
  return box ? from + (length() * Math.min(Math.max(0, event.clientX - box.left), box.width)) / box.width : 0;
}

/** @param {(time: number) => void} seek */
export const onPick = (seek) => ribbon.addEventListener("click", (event) => seek(timeAt(event)));

/** Replace the ribbon by that of a page from the service. @param {Document} page */
export function replaceRibbon(page) {
  ribbon.replaceChildren(.../** @type {HTMLElement} */ (page.getElementById("lanes")).children);
  byId("legend").replaceWith(/** @type {HTMLElement} */ (page.getElementById("legend")));
  readLanes();
  draw();
}

ribbon.addEventListener("pointermove", (event) => {
  const at = lineAt(timeAt(event));
  const one = lines[at];
  const part = (/** @type {string} */ name) => one?.querySelector(name)?.textContent ?? "";
  readout.textContent = one ? `${clock(starts[at])} ${part(".name")} ${part(".reading")}` : "";
});
readLanes();
byId("zoom").hidden = duration < 2 * SHORTEST;
zoomIn.addEventListener("click", () => scale(2));
zoomOut.addEventListener("click", () => scale(0.5));
place.addEventListener("input", () => move((Number(place.value) / 1000) * (duration - length())));

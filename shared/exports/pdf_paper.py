"""A PDF that is written line by line: text that is broken into lines, drawings, page numbers, links.

Only its font is embedded, DejaVu Sans; characters that it lacks are shown as boxes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from shared.exports.direction import has_right_to_left, starts_right
from shared.exports.drawings import CELL, COLOURS, INK, PAPER, PATTERNS, Bar, Dot, Drawing, Label, Shape, Stroke
from shared.exports.drawings import WIDTH as DRAWING_WIDTH

FONT = Path(__file__).parents[1] / "fonts" / "DejaVuSans.ttf"
NAME = "DejaVuSans"
PAGE = (595.28, 841.89)  # A4 in points
MARGIN = 56.0
WIDTH = PAGE[0] - 2 * MARGIN
LEADING = 1.35  # height of a line relative to its font size
BOX = "□"


@cache
def _font() -> Any:
    """Loaded on the first PDF: the library takes 0.2 s and 15 MB."""
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415

    font = TTFont(NAME, str(FONT))
    pdfmetrics.registerFont(font)
    return font


def lacks(text: str) -> bool:
    """Whether the text has a character that a PDF shows as a box."""
    return _shown(_font(), text) != text


class PdfPaper:
    def __init__(self, title: str, language: str | None, footer: str) -> None:
        from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415 - see _font

        self._font = _font()
        self._out = io.BytesIO()
        # Without the time and a random id: the same transcript gives the same bytes.
        self._canvas = Canvas(self._out, pagesize=PAGE, invariant=1, lang=language)
        self._canvas.setTitle(title)
        self._canvas.setCreator("Undertone")
        self._footer = footer
        self._number = 1
        self._top = MARGIN  # of what comes next, from the top of the page

    def finish(self) -> bytes:
        self._end_page()
        self._canvas.save()
        return self._out.getvalue()

    def keep(self, height: float) -> None:
        """Start a new page if the rest of this one is lower than that."""
        if self._top + height > PAGE[1] - MARGIN - 20:
            self._end_page()

    def space(self, height: float) -> None:
        self._top += height

    def heading(self, text: str, size: float = 14) -> None:
        self.keep(60)
        self.space(size * 0.6)
        self._canvas.bookmarkPage(text)
        self._canvas.addOutlineEntry(text, text)
        self.text(text, size)

    def text(self, text: str, size: float = 10, colour: str = INK, *, link: str = "", target: str = "") -> None:
        """A paragraph; `link` makes it lead to the paragraph with that `target`."""
        font, height = self._font, size * LEADING
        right = starts_right(text)
        for line in _lines(_shaped(_shown(font, text)), lambda part: float(font.stringWidth(part, size))):
            self.keep(height)
            shown = _visual(line)
            width = float(font.stringWidth(shown, size))
            left, base = MARGIN + (WIDTH - width if right else 0.0), self._up(self._top + size)
            self._canvas.setFont(NAME, size)
            self._canvas.setFillColor(colour)
            if target:
                self._canvas.bookmarkHorizontal(target, left, base + size)
                target = ""
            self._canvas.drawString(left, base, shown)
            if link:
                area = (left, base - 2, left + width, base + size)
                self._canvas.linkRect("", link, area, relative=0, thickness=0)
            self.space(height)

    def draw(self, drawing: Drawing) -> None:
        """A drawing that is higher than a page is shrunk to one."""
        scale = min(WIDTH / DRAWING_WIDTH, (PAGE[1] - 2 * MARGIN - 40) / drawing.height)
        self.keep(drawing.height * scale)
        self._canvas.saveState()
        self._canvas.translate(MARGIN, self._up(self._top))
        self._canvas.scale(scale, scale)
        for shape in drawing.shapes:
            self._shape(shape)
        self._canvas.restoreState()
        self.space(drawing.height * scale + 6)

    def _shape(self, shape: Shape) -> None:
        canvas = self._canvas
        if isinstance(shape, Label):
            canvas.setFillColor(INK)
            canvas.setFont(NAME, shape.size)
            text = _visual(_shaped(_shown(self._font, shape.text)))
            write = {"start": canvas.drawString, "middle": canvas.drawCentredString, "end": canvas.drawRightString}
            write[shape.anchor](shape.left, -shape.top, text)
            return
        canvas.setStrokeColor(COLOURS[shape.style])
        canvas.setFillColor(COLOURS[shape.style])
        if isinstance(shape, Dot):
            canvas.circle(shape.left, -shape.top, 3, stroke=0, fill=1)
        elif isinstance(shape, Bar):
            canvas.rect(shape.left, -shape.top - shape.height, shape.width, shape.height, stroke=0, fill=1)
            self._hatch(shape)
        else:
            self._stroke(shape)

    def _stroke(self, shape: Stroke) -> None:
        path = self._canvas.beginPath()
        path.moveTo(shape.points[0][0], -shape.points[0][1])
        for left, top in shape.points[1:]:
            path.lineTo(left, -top)
        self._canvas.setDash(*((4, 3) if shape.style == "turn" else ()))
        self._canvas.drawPath(path)

    def _hatch(self, bar: Bar) -> None:
        """The pattern of an emotion, for paper without colours."""
        lines = next((lines for emotion, lines in PATTERNS.items() if emotion == bar.style), ())
        if not lines or bar.width <= 0:
            return
        canvas = self._canvas
        canvas.saveState()
        outline = canvas.beginPath()
        outline.rect(bar.left, -bar.top - bar.height, bar.width, bar.height)
        canvas.clipPath(outline, stroke=0, fill=0)
        canvas.setStrokeColor(PAPER)
        for column in range(int(bar.left // CELL), int((bar.left + bar.width) // CELL) + 1):
            for row in range(int(bar.top // CELL), int((bar.top + bar.height) // CELL) + 1):
                x, y = column * CELL, row * CELL
                canvas.lines([(x + left, -y - top, x + right, -y - bottom) for left, top, right, bottom in lines])
        canvas.restoreState()

    def _end_page(self) -> None:
        self._canvas.setFont(NAME, 8)
        self._canvas.setFillColor(INK)
        self._canvas.drawString(MARGIN, 30, self._footer)
        self._canvas.drawRightString(PAGE[0] - MARGIN, 30, str(self._number))
        self._canvas.showPage()
        self._number, self._top = self._number + 1, MARGIN

    def _up(self, top: float) -> float:
        """The height above the bottom of the page, from which PDF measures."""
        return PAGE[1] - top


def _shown(font: Any, text: str) -> str:
    """The library writes wrong text for characters beyond the first plane, so copying them would fail."""
    glyphs = font.face.charToGlyph
    return "".join(sign if ord(sign) in glyphs and ord(sign) <= 0xFFFF else BOX for sign in text)


def _shaped(text: str) -> str:
    """Arabic letters in the forms that join them."""
    if not has_right_to_left(text):
        return text
    import arabic_reshaper  # noqa: PLC0415 - few meetings need it

    shaped: str = arabic_reshaper.reshape(text)
    return shaped


def _visual(line: str) -> str:
    """The line from left to right, as PDF draws it."""
    if not has_right_to_left(line):
        return line
    from bidi import get_display  # noqa: PLC0415 - few meetings need it

    shown: str = get_display(line)
    return shown


def _lines(text: str, width: Callable[[str], float]) -> Iterator[str]:
    """Lines that fit between the margins; a word that does not fit into one is divided."""
    line: list[str] = []
    length, gap = 0.0, width(" ")
    for word in text.split():
        for part, size in _parts(word, width):
            if line and length + gap + size > WIDTH:
                yield " ".join(line)
                line, length = [], -gap
            length += size + (gap if line else 0.0)
            line.append(part)
    if line:
        yield " ".join(line)


def _parts(word: str, width: Callable[[str], float]) -> Iterator[tuple[str, float]]:
    whole = width(word)
    if whole <= WIDTH:
        yield word, whole
        return
    start, length = 0, 0.0
    for position, sign in enumerate(word):
        step = width(sign)
        if length + step > WIDTH:
            yield word[start:position], length
            start, length = position, 0.0
        length += step
    yield word[start:], length

"""Renders drawings as SVG. Attributes have the colours for paper; a page overrides them by its style sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape

from shared.domain.emotion import Emotion
from shared.domain.transcript import Transcript
from shared.exports.drawings import (
    CELL,
    COLOURS,
    INK,
    PAPER,
    PATTERNS,
    WIDTH,
    Bar,
    Dot,
    Drawing,
    Shape,
    Stroke,
    draw_emotions,
    draw_talk_time,
    draw_valence,
)
from shared.exports.formats import Format
from shared.exports.summary import Summary, summarize


def render_svg(drawing: Drawing) -> str:
    name, height = drawing.name, f"{drawing.height:g}"
    used = {shape.style for shape in drawing.shapes if isinstance(shape, Bar)}
    patterns = "".join(_pattern(name, emotion) for emotion in PATTERNS if emotion in used)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {WIDTH:g} {height}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc" font-family="DejaVu Sans, sans-serif">'
        f'<title id="{name}-title">{escape(drawing.title)}</title>'
        f'<desc id="{name}-desc">{escape(drawing.description)}</desc><defs>{patterns}</defs>'
        f'<rect class="paper" width="{WIDTH:g}" height="{height}" fill="{PAPER}"/>'
        f"{''.join(_element(name, shape) for shape in drawing.shapes)}</svg>\n"
    )


def _element(name: str, shape: Shape) -> str:
    if isinstance(shape, Bar):
        place = f'x="{shape.left:.1f}" y="{shape.top:.1f}" width="{shape.width:.1f}" height="{shape.height:g}"'
        if shape.style in PATTERNS:
            return f'<rect {place} fill="url(#{name}-{shape.style})"/>'
        return f'<rect class="{shape.style}" {place} fill="{COLOURS[shape.style]}"/>'
    if isinstance(shape, Stroke):
        points = " ".join(f"{left:.1f},{top:.1f}" for left, top in shape.points)
        dashes = ' stroke-dasharray="4 3"' if shape.style == "turn" else ""
        return (
            f'<polyline class="{shape.style}" points="{points}" fill="none" stroke="{COLOURS[shape.style]}"{dashes}/>'
        )
    if isinstance(shape, Dot):
        colour = COLOURS[shape.style]
        return f'<circle class="{shape.style}" cx="{shape.left:.1f}" cy="{shape.top:.1f}" r="3" fill="{colour}"/>'
    return (
        f'<text x="{shape.left:.1f}" y="{shape.top:.1f}" font-size="{shape.size}" text-anchor="{shape.anchor}" '
        f'fill="{INK}">{escape(shape.text)}</text>'
    )


def _pattern(name: str, emotion: Emotion) -> str:
    lines = "".join(f"M{left:g} {top:g}L{right:g} {bottom:g}" for left, top, right, bottom in PATTERNS[emotion])
    return (
        f'<pattern id="{name}-{emotion}" class="e-{emotion}" width="{CELL:g}" height="{CELL:g}" '
        f'patternUnits="userSpaceOnUse"><rect width="{CELL:g}" height="{CELL:g}" fill="{COLOURS[emotion]}"/>'
        f'<path d="{lines}" stroke="{PAPER}" stroke-width="1.5" fill="none"/></pattern>'
    )


def _format(name: str, draw: Callable[[Summary], Drawing]) -> Format:
    def render(transcript: Transcript, *, emotion: bool) -> bytes:
        return render_svg(draw(summarize(transcript, emotion=emotion))).encode()

    return Format(f"{name}.svg", "image/svg+xml", render)


DRAWINGS: Mapping[str, Format] = {
    form.suffix: form
    for form in (
        _format("talk-time", draw_talk_time),
        _format("emotions", draw_emotions),
        _format("valence", draw_valence),
    )
}

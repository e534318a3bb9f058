"""A line of a captioned video: speaker, text, perceived emotion and colours."""

from __future__ import annotations

from shared.domain.span import Span

Colour = tuple[int, int, int]


class CaptionLine(Span):
    speaker: str
    text: str
    colour: Colour
    emotion: str | None = None
    confidence: float = 0.0
    emotion_colour: Colour = (0, 0, 0)

"""Draws captions into frames: a lower third with speaker, words, perceived emotion and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.domain.caption import CaptionLine
from shared.ports.media import Bytes

# Bundled font: Pillow's default has no accents. Missing characters are drawn as boxes, not left out.
FONT = Path(__file__).parents[2] / "fonts" / "DejaVuSans.ttf"
NOTICE_SECONDS = 5.0
MAX_LINES = 4  # two overlapping speakers, two lines each


def draw(pixels: Bytes, time: float, lines: Sequence[CaptionLine], notice: str) -> Bytes:  # (row, column, 3)
    """Draw the captions of that time into the frame, and the notice in the first seconds."""
    height, width = pixels.shape[:2]
    said = tuple(line for line in lines if line.start <= time < max(line.end, line.start + 0.4))[-2:]
    if said:
        pixels = _blend(pixels, _lower_third(width, height, said))
    if time < NOTICE_SECONDS:
        pixels = _blend(pixels, _banner(width, height, notice))
    return pixels


def _blend(pixels: Bytes, layer: tuple[int, Bytes]) -> Bytes:
    top, overlay = layer
    rows = overlay.shape[0]
    part = pixels[top : top + rows].astype(np.uint16)
    alpha = overlay[..., 3:].astype(np.uint16)
    mixed = pixels.copy()
    mixed[top : top + rows] = ((part * (255 - alpha) + overlay[..., :3].astype(np.uint16) * alpha) // 255).astype(
        np.uint8
    )
    return mixed


@lru_cache(maxsize=8)
def _lower_third(width: int, height: int, lines: tuple[CaptionLine, ...]) -> tuple[int, Bytes]:
    """Return the top row and the RGBA image of the lower third; cached for all frames that show the same lines."""
    size = max(11, height // 20)
    words, names = _font(size), _font(max(10, round(size * 0.8)))
    margin, text_width = size, width - 4 * size
    wrapped = [(line, _wrapped(line.text, words, text_width)) for line in lines]
    tall = sum(round(size * 1.35) * (1 + len(rows)) for _, rows in wrapped) + margin
    box = Image.new("RGBA", (width, tall), (0, 0, 0, 0))
    pen = ImageDraw.Draw(box)
    pen.rounded_rectangle((margin, 0, width - margin, tall - 1), radius=size // 2, fill=(12, 14, 20, 190))
    y = margin // 2
    for line, rows in wrapped:
        pen.text((2 * margin, y), line.speaker, font=names, fill=line.colour)
        if line.emotion is not None:
            _draw_emotion(pen, line, names, right=width - 2 * margin, y=y)
        for row in rows:
            y += round(size * 1.35)
            pen.text((2 * margin, y - size // 8), row, font=words, fill=(255, 255, 255))
        y += round(size * 1.35)
    top = max(0, height - tall - margin)
    return top, np.asarray(box)[: height - top]


def _draw_emotion(
    pen: ImageDraw.ImageDraw, line: CaptionLine, font: ImageFont.FreeTypeFont, *, right: int, y: int
) -> None:
    label = f"{line.emotion} {line.confidence:.0%}"
    left = right - pen.textlength(label, font=font)
    radius = font.size / 4
    centre = y + font.size * 0.62
    dot = (left - 4 * radius, centre - radius, left - 2 * radius, centre + radius)
    pen.ellipse(dot, fill=line.emotion_colour)
    pen.text((left, y), label, font=font, fill=line.emotion_colour)


@lru_cache(maxsize=2)
def _banner(width: int, height: int, notice: str) -> tuple[int, Bytes]:
    font = _font(max(9, height // 34))
    rows = _wrapped(notice, font, width - 2 * font.size)
    tall = round(font.size * (1.4 * len(rows) + 1))
    box = Image.new("RGBA", (width, tall), (12, 14, 20, 170))
    pen = ImageDraw.Draw(box)
    for number, row in enumerate(rows):
        pen.text((font.size, font.size // 2 + round(number * font.size * 1.4)), row, font=font, fill=(230, 230, 230))
    return 0, np.asarray(box)[:height]


def _wrapped(text: str, font: ImageFont.FreeTypeFont, text_width: float) -> list[str]:
    rows: list[str] = []
    for word in text.split():
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and font.getlength(longer) <= text_width:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows[:MAX_LINES]


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), size)

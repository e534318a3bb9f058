"""A canvas in tile coordinates that is painted at a larger scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from shared.ports.media import Bytes, Floats

Colour: TypeAlias = tuple[int, int, int]  # red green blue

WIDTH, HEIGHT = 320, 180  # of a tile
SCALE = 3  # supersampling factor, for smooth edges
FRACTION = 4  # fractional bits: features move by less than a pixel between frames


@dataclass(frozen=True, slots=True)
class Canvas:
    """The painted pixels and their mask."""

    pixels: Bytes  # (row, column, 3)
    mask: Bytes  # (row, column), 255 where painted

    @classmethod
    def blank(cls) -> Canvas:
        size = (HEIGHT * SCALE, WIDTH * SCALE)
        return cls(np.zeros((*size, 3), dtype=np.uint8), np.zeros(size, dtype=np.uint8))

    def copy(self) -> Canvas:
        return replace(self, pixels=self.pixels.copy(), mask=self.mask.copy())

    def fill(self, points: Floats, colour: Colour) -> None:
        cv2.fillPoly(self.pixels, [_fixed(points)], colour, cv2.LINE_AA, FRACTION)
        cv2.fillPoly(self.mask, [_fixed(points)], 255, cv2.LINE_AA, FRACTION)

    def line(self, points: Floats, colour: Colour, width: float) -> None:
        thickness = max(1, round(width * SCALE))
        cv2.polylines(
            self.pixels,
            [_fixed(points)],
            isClosed=False,
            color=colour,
            thickness=thickness,
            lineType=cv2.LINE_AA,
            shift=FRACTION,
        )

    def soften(self, points: Floats, colour: Colour, *, blur: float, strength: float) -> None:
        """Blend a blurred shape over the painted pixels, for light and shadow."""
        shape = np.zeros_like(self.mask)
        cv2.fillPoly(shape, [_fixed(points)], 255, cv2.LINE_AA, FRACTION)
        # Blurred at a small size and enlarged: looks the same and is much faster for wide blurs.
        small = cv2.resize(shape, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        wide = cv2.resize(cv2.GaussianBlur(small, (0, 0), blur / 2), self.mask.shape[::-1])
        blurred = np.minimum(wide, self.mask)
        share = blurred[..., None].astype(np.float32) / 255 * strength
        self.pixels[:] = (self.pixels * (1 - share) + np.array(colour, dtype=np.float32) * share).astype(np.uint8)


def oval(x: float, y: float, half_x: float, half_y: float, squareness: float = 2.0) -> Floats:
    """Return a superellipse; a squareness above 2 gives a rounded box."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    power = 2 / squareness
    right = x + half_x * np.sign(cos) * np.abs(cos) ** power
    down = y + half_y * np.sign(sin) * np.abs(sin) ** power
    return np.stack([right, down], axis=1).astype(np.float32)


def path(*points: tuple[float, float]) -> Floats:
    return np.array(points, dtype=np.float32)


def curve(start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]) -> Floats:
    """A quadratic Bezier curve."""
    t = np.linspace(0, 1, 24)[:, None]
    ends = (1 - t) ** 2 * np.array(start) + t**2 * np.array(end)
    return np.asarray(ends + 2 * t * (1 - t) * np.array(bend), dtype=np.float32)


def shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(255, part * factor)) for part in colour)
    return red, green, blue


def _fixed(points: Floats) -> npt.NDArray[np.int32]:
    # OpenCV centres the first pixel on 0, this canvas starts it at 0; half of a third of a pixel is not visible.
    return np.asarray(np.round(points * (SCALE * 2**FRACTION)), dtype=np.int32)

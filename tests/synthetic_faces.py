"""Draws faces with numpy that a face detector finds."""

from __future__ import annotations

import numpy as np

from shared.ports.media import Bytes, Floats


def blank(height: int = 360, width: int = 640, grey: int = 96) -> Bytes:
    return np.full((height, width, 3), grey, dtype=np.uint8)


def draw_face(pixels: Bytes, column: int, row: int, size: int, *, mouth: float = 0.0) -> None:
    """Draw a shaded face around its centre, `size` pixels wide; `mouth` is the opening from 0 to 1."""
    top, left = max(0, row - size), max(0, column - size)
    part = pixels[top : row + size, left : column + size]
    rows, columns = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float32)
    x, y = (columns + left - column) / (size / 2), (rows + top - row) / (size / 2)

    def paint(inside: Floats, shade: tuple[float, float, float]) -> None:
        # Soft edges: a detector trained on photographs does not detect hard ones.
        cover = np.clip(inside, 0, 1)[:, :, None]
        part[:] = np.rint(part * (1 - cover) + np.array(shade, dtype=np.float32) * cover).astype(np.uint8)

    def oval(left: float, top: float, wide: float, high: float, soft: float) -> Floats:
        return np.asarray((1 - ((x - left) / wide) ** 2 - ((y - top) / high) ** 2) / soft)

    paint(oval(0, -0.35, 1.1, 1.25, 0.1), (52, 40, 34))  # hair
    paint(oval(0, 0.05, 0.9, 1.2, 0.3), (214, 176, 150))  # skin
    paint(oval(0, -0.62, 0.6, 0.3, 0.9), (232, 198, 172))  # lit brow
    for side in (-0.4, 0.4):
        paint(oval(side, -0.2, 0.32, 0.22, 0.9), (120, 88, 74))  # socket
        paint(oval(side, -0.42, 0.3, 0.07, 0.6), (60, 42, 34))  # eyebrow
        paint(oval(side, -0.18, 0.17, 0.08, 0.5), (235, 230, 225))
        paint(oval(side, -0.18, 0.08, 0.09, 0.4), (30, 22, 20))
        paint(oval(side * 1.15, 0.22, 0.3, 0.25, 1.0), (230, 190, 165))  # cheek
    paint(oval(0, 0.05, 0.1, 0.35, 0.9), (236, 202, 178))  # nose
    paint(oval(0, 0.38, 0.2, 0.06, 0.9), (140, 100, 84))
    paint(oval(0, 0.68, 0.36, 0.09 + 0.18 * mouth, 0.5), (150, 72, 70))
    paint(oval(0, 0.68, 0.3, 0.02 + 0.15 * mouth, 0.4), (50, 20, 22))

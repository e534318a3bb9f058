"""Draws the static parts of the four participants: background, head, hair and shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samples.canvas import HEIGHT, WIDTH, Canvas, Colour, oval, path, shade
from shared.ports.media import Floats

FACE_X, FACE_Y = 160.0, 92.0
EYES_Y, EYES_APART = 84.0, 19.0
MOUTH_Y = 122.0
PLANT: Colour = (84, 128, 92)


@dataclass(frozen=True, slots=True)
class Appearance:
    skin: Colour
    hair: Colour
    shirt: Colour
    wall: Colour
    iris: Colour
    style: str  # of the hair: long, short, curly, parted
    glasses: bool = False
    beard: bool = False
    window_right: bool = False  # mirrored background


APPEARANCES = {
    "Ana": Appearance((236, 192, 164), (96, 56, 36), (46, 134, 140), (206, 196, 182), (74, 110, 70), "long"),
    "Ben": Appearance(
        (226, 178, 146),
        (62, 46, 38),
        (70, 92, 148),
        (178, 192, 200),
        (70, 96, 130),
        "short",
        beard=True,
        window_right=True,
    ),
    "Carl": Appearance(
        (234, 192, 166), (124, 70, 36), (150, 74, 70), (196, 200, 178), (60, 100, 120), "parted", glasses=True
    ),
    "Dev": Appearance(
        (186, 132, 96), (40, 32, 32), (206, 160, 72), (170, 172, 196), (64, 42, 30), "curly", window_right=True
    ),
}


def paint_background(appearance: Appearance) -> Canvas:
    """Paint a wall with light from the left, and a blurred shelf and plant."""
    background = Canvas.blank()
    background.fill(path((0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)), appearance.wall)
    background.soften(oval(70, 40, 120, 80), shade(appearance.wall, 1.25), blur=40, strength=0.9)
    background.soften(
        path((238, 18), (312, 18), (312, 110), (238, 110)), shade(appearance.wall, 0.7), blur=3, strength=0.8
    )
    for number, x in enumerate(range(243, 305, 9)):
        top = 30.0 + 7 * (number * 2 % 3)
        colour = (appearance.shirt, appearance.hair, PLANT)[number % 3]
        book = path((x, top), (x + 7, top), (x + 7, 72), (x, 72))
        background.soften(book, shade(colour, 1.2), blur=1.6, strength=0.8)
    background.soften(
        path((238, 73), (312, 73), (312, 77), (238, 77)), shade(appearance.wall, 0.5), blur=1.5, strength=0.7
    )
    for angle in np.linspace(-1.1, 1.1, 7):
        leaf = oval(32 + 34 * np.sin(angle), 150 - 42 * np.cos(angle), 9, 17)
        background.soften(leaf, shade(PLANT, 1 + 0.25 * np.cos(3 * angle)), blur=3, strength=0.85)
    if appearance.window_right:
        background.pixels[:] = background.pixels[:, ::-1].copy()
    return background


def paint_figure(appearance: Appearance) -> Canvas:
    """Paint head, hair and shoulders, lit from the front left."""
    figure = Canvas.blank()
    x, y = FACE_X, FACE_Y
    if appearance.style == "long":
        figure.fill(oval(x, y + 16, 56, 70, 2.6), shade(appearance.hair, 0.72))
    figure.fill(oval(x, 218, 96, 62, 2.7), appearance.shirt)
    figure.soften(oval(x - 30, 190, 40, 20), shade(appearance.shirt, 1.3), blur=12, strength=0.6)
    figure.fill(path((x - 19, 126), (x + 19, 126), (x + 24, 160), (x, 174), (x - 24, 160)), shade(appearance.skin, 0.8))
    figure.soften(oval(x, 146, 20, 9), shade(appearance.skin, 0.5), blur=5, strength=0.5)
    for side in (-1, 1):
        figure.fill(oval(x + side * 43, y + 1, 7, 12), shade(appearance.skin, 0.88))
    figure.fill(oval(x, y + 1, 43, 54, 2.25), appearance.skin)
    _shade_face(figure, appearance)
    _paint_hair(figure, appearance)
    return figure


def _shade_face(figure: Canvas, appearance: Appearance) -> None:
    """Shade brow, nose and cheeks bright and eyes dark, as a face detector expects."""
    x, y, skin = FACE_X, FACE_Y, appearance.skin
    figure.soften(oval(x - 8, y - 22, 26, 16), shade(skin, 1.15), blur=10, strength=0.8)
    for side in (-1, 1):
        figure.soften(oval(x + side * 43, y + 22, 6, 36), shade(skin, 0.62), blur=6, strength=0.6)
        figure.soften(oval(x + side * EYES_APART, EYES_Y - 2, 14, 9), shade(skin, 0.5), blur=4.5, strength=0.7)
        figure.soften(oval(x + side * 23, y + 17, 10, 8), shade(skin, 1.15), blur=6, strength=0.6)
        figure.soften(oval(x + side * 26, y + 20, 8, 6), (226, 120, 110), blur=6, strength=0.22)
    figure.soften(oval(x - 1, y + 2, 4, 18), shade(skin, 1.2), blur=3.5, strength=0.7)
    figure.soften(oval(x, MOUTH_Y + 11, 10, 2), shade(skin, 0.6), blur=2, strength=0.35)
    figure.soften(oval(x, y + 54, 26, 5), shade(skin, 0.6), blur=5, strength=0.5)
    if appearance.beard:
        chin = np.concatenate([oval(x, y + 30, 41, 27, 2.2)[:33], oval(x, y + 30, 36, 6)[:33][::-1]])
        figure.soften(chin, appearance.hair, blur=3, strength=0.62)
        figure.soften(oval(x, MOUTH_Y - 9, 18, 3), appearance.hair, blur=2, strength=0.55)


def _paint_hair(figure: Canvas, appearance: Appearance) -> None:
    figure.fill(np.concatenate([_crown(), _fringe(appearance.style)]), appearance.hair)
    if appearance.style == "curly":
        for angle in np.linspace(np.pi * 0.98, np.pi * 2.02, 11):
            figure.fill(oval(FACE_X + 40 * np.cos(angle), FACE_Y - 20 + 40 * np.sin(angle), 13, 13), appearance.hair)
    if appearance.style == "long":
        for side in (-1, 1):
            lock = path((38, -34), (52, -6), (56, 40), (50, 74), (40, 70), (44, 30), (42, -6))
            figure.fill(lock * (side, 1) + (FACE_X, FACE_Y), shade(appearance.hair, 0.9))
    figure.soften(oval(FACE_X - 14, FACE_Y - 50, 22, 5), shade(appearance.hair, 1.7), blur=5, strength=0.45)


def _crown() -> Floats:
    angle = np.linspace(np.pi, 2 * np.pi, 40)
    return np.stack([FACE_X + 47 * np.cos(angle), FACE_Y - 8 + 56 * np.sin(angle)], axis=1).astype(np.float32)


def _fringe(style: str) -> Floats:
    """Return the lower edge of the hair over the brow, from right to left."""
    edges = {
        "long": path((44, 4), (37, -22), (14, -42), (-22, -30), (-38, -12), (-44, 4)),
        "short": path((43, -10), (38, -30), (18, -37), (-18, -37), (-38, -30), (-43, -10)),
        "curly": path((43, -10), (36, -28), (14, -34), (-14, -34), (-36, -28), (-43, -10)),
        "parted": path((43, -8), (39, -28), (6, -32), (-20, -42), (-38, -24), (-43, -8)),
    }
    return (edges[style] + (FACE_X, FACE_Y)).astype(np.float32)

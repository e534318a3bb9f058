"""Draws the moving features of a face: brows, eyes, nose and mouth, for an emotion and for speech."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from samples.canvas import Canvas, curve, oval, path, shade
from samples.people import EYES_APART, EYES_Y, FACE_X, MOUTH_Y, Appearance
from shared.domain.emotion import Emotion

LIPS = (176, 84, 84)
INSIDE = (84, 28, 32)
TEETH = (240, 236, 228)
SPECTACLES = (124, 106, 98)


@dataclass(frozen=True, slots=True)
class Expression:
    """Positions of the features: zero is a face at rest, one is a strong expression."""

    inner_brow: float = 0.0  # up
    outer_brow: float = 0.0  # up
    eyes: float = 0.0  # wide; narrow below zero
    smile: float = 0.15  # corners of the mouth up
    width: float = 0.0  # of the mouth
    drop: float = 0.0  # of the jaw, without speaking
    sneer: float = 0.0  # upper lip and nose drawn up

    def toward(self, other: Expression, share: float) -> Expression:
        """Interpolate towards the other expression by `share`."""
        current = {field.name: getattr(self, field.name) for field in fields(self)}
        return Expression(**{name: value + (getattr(other, name) - value) * share for name, value in current.items()})


EXPRESSIONS = {
    Emotion.ANGER: Expression(inner_brow=-1.0, outer_brow=0.3, eyes=-0.1, smile=-0.6, width=-0.05, sneer=0.2),
    Emotion.DISGUST: Expression(inner_brow=-0.6, outer_brow=-0.3, eyes=-0.45, smile=-0.7, sneer=1.0),
    Emotion.FEAR: Expression(inner_brow=1.1, outer_brow=0.2, eyes=0.45, smile=-0.5, width=0.15, drop=0.12),
    Emotion.JOY: Expression(inner_brow=0.2, outer_brow=0.3, eyes=-0.2, smile=1.1, width=0.35, drop=0.12),
    Emotion.NEUTRAL: Expression(),
    Emotion.SADNESS: Expression(inner_brow=0.9, outer_brow=-0.6, eyes=-0.3, smile=-0.9, width=-0.1),
    Emotion.SURPRISE: Expression(inner_brow=1.0, outer_brow=1.1, eyes=0.55, smile=0.0, width=-0.3, drop=0.4),
}


def paint_features(
    face: Canvas, appearance: Appearance, expression: Expression, *, speech: float, blink: float
) -> None:
    """`speech` opens the mouth, `blink` closes the eyes, both from 0 to 1."""
    for side in (-1, 1):
        _paint_eye(face, appearance, expression, side, blink)
        _paint_brow(face, appearance, expression, side)
    _paint_nose(face, appearance, expression)
    _paint_mouth(face, appearance, expression, min(1.0, speech + expression.drop))
    if appearance.glasses:
        _paint_glasses(face)


def _paint_eye(face: Canvas, appearance: Appearance, expression: Expression, side: int, blink: float) -> None:
    x, y = FACE_X + side * EYES_APART, EYES_Y
    height = max(0.4, 5.2 * (1 + 0.6 * expression.eyes) * (1 - blink))
    lid = shade(appearance.skin, 0.42)
    if height > 1.2:
        face.fill(oval(x, y, 9.5, height), (238, 236, 232))
        face.fill(oval(x, y, 4.3, min(4.6, height)), appearance.iris)
        face.fill(oval(x, y, 2.2, min(2.4, height)), (18, 16, 18))
        face.fill(oval(x - 1.6, y - min(1.6, height / 2), 1.1, 1.1), (255, 255, 255))
    face.line(curve((x - 10.5, y + 0.5), (x, y - 2 * height), (x + 10.5, y + 0.5)), lid, 1.8)
    face.line(curve((x - 8.5, y + 1), (x, y + 2 * height), (x + 8.5, y + 1)), shade(appearance.skin, 0.66), 0.8)


def _paint_brow(face: Canvas, appearance: Appearance, expression: Expression, side: int) -> None:
    middle = EYES_Y - 14
    inner = (FACE_X + side * 8.5, middle + 1 - 5.5 * expression.inner_brow)
    outer = (FACE_X + side * 32, middle + 2 - 5.5 * expression.outer_brow)
    lift = 4.0 + 1.5 * max(expression.outer_brow, expression.inner_brow)
    peak = (FACE_X + side * 22, min(inner[1], outer[1]) - lift * (1 if expression.inner_brow >= 0 else 0.2))
    face.line(curve(inner, peak, outer), shade(appearance.hair, 0.7), 3.4)
    if expression.inner_brow < -0.3:
        furrow = path((FACE_X + side * 3, middle - 5), (FACE_X + side * 3.5, middle + 5))
        face.line(furrow, shade(appearance.skin, 0.68), 1.0)


def _paint_nose(face: Canvas, appearance: Appearance, expression: Expression) -> None:
    lift = 2.5 * expression.sneer
    dark = shade(appearance.skin, 0.6)
    face.line(curve((FACE_X - 8, 106 - lift), (FACE_X, 111 - lift), (FACE_X + 8, 106 - lift)), dark, 1.2)
    for side in (-1, 1):
        face.fill(oval(FACE_X + side * 4, 107 - lift, 2.2, 1.1), shade(appearance.skin, 0.45))
        if expression.sneer > 0.4:
            fold = curve((FACE_X + side * 10, 100), (FACE_X + side * 19, 108), (FACE_X + side * 20, 118))
            face.line(fold, shade(appearance.skin, 0.72), 1.2)


def _paint_mouth(face: Canvas, appearance: Appearance, expression: Expression, gape: float) -> None:
    half = 15.5 * (1 + 0.6 * expression.width) * (1 - 0.15 * gape)
    corner = MOUTH_Y - 4.5 * expression.smile
    upper = MOUTH_Y - 2 * gape + 1.5 * expression.smile - 3.5 * expression.sneer
    lower = upper + 0.8 + 13 * gape + 2.5 * max(0.0, expression.smile) * min(1.0, gape * 4) + 2.5 * expression.sneer
    left, right = (FACE_X - half, corner), (FACE_X + half, corner)
    lips = shade(LIPS, 0.8) if appearance.beard or sum(appearance.skin) < 450 else LIPS
    # A quadratic curve reaches half the distance to its control point, so the control point is twice as far.
    top = curve(left, (FACE_X, 2 * upper - corner), right)
    bottom = curve(right, (FACE_X, 2 * lower - corner), left)
    thick = np.array([0.0, 3.2])
    face.fill(np.concatenate([top - (0.0, 1.8), bottom + thick]).astype(np.float32), lips)
    if lower - upper > 2.2:
        face.fill(np.concatenate([top, bottom]), INSIDE)
        bite = min(4.0, (lower - upper) * 0.4)
        teeth = curve((right[0] - 3, corner), (FACE_X, 2 * (upper + bite) - corner), (left[0] + 3, corner))
        face.fill(np.concatenate([curve(left, (FACE_X, 2 * upper - corner), right)[3:-3], teeth]), TEETH)
    face.line(top, shade(lips, 0.6), 0.9)


def _paint_glasses(face: Canvas) -> None:
    for side in (-1, 1):
        rim = oval(FACE_X + side * EYES_APART, EYES_Y + 1, 14.5, 11.5, 2.8)
        face.line(np.concatenate([rim, rim[:1]]), SPECTACLES, 1.0)
        face.line(path((FACE_X + side * 33.5, EYES_Y - 2), (FACE_X + side * 43, EYES_Y - 3)), SPECTACLES, 1.0)
    face.line(curve((FACE_X - 5, EYES_Y), (FACE_X, EYES_Y - 4), (FACE_X + 5, EYES_Y)), SPECTACLES, 1.0)

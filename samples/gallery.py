"""Renders the video of the meeting: four tiles with mouths that follow the voices and faces that follow the story."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from samples.canvas import HEIGHT, SCALE, WIDTH, Canvas
from samples.expression import EXPRESSIONS, Expression, paint_features
from samples.people import APPEARANCES, paint_background, paint_figure
from samples.sound import Meeting, Turn
from shared.domain.emotion import Emotion
from shared.ports.media import SAMPLE_RATE, Bytes, Floats

FRAMES_PER_SECOND = 15
AHEAD = 0.3  # seconds by which an expression precedes its words
LISTENING = 0.3  # share of the speaker's expression that listeners show
BLINK_EVERY = (3.4, 4.3, 3.9, 5.1)  # seconds, one for each participant
BLINK = 0.2  # seconds
ACTIVE = (92, 214, 122)


class Tile:
    """One participant; static parts are painted once."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number
        self._appearance = APPEARANCES[name]
        self._background = _shrink(paint_background(self._appearance).pixels).astype(np.float32)
        self._figure = paint_figure(self._appearance)

    def paint(self, expression: Expression, time: float, *, speech: float, active: bool) -> Bytes:
        figure = self._figure.copy()
        paint_features(figure, self._appearance, expression, speech=speech, blink=self._blink(time))
        tile = self._compose(figure, time, speech)
        _label(tile, self._name)
        if active:
            cv2.rectangle(tile, (1, 1), (WIDTH - 2, HEIGHT - 2), ACTIVE, 3)
        return tile

    def _compose(self, figure: Canvas, time: float, speech: float) -> Bytes:
        """Compose the figure over the background, with a slight sway, and a nod during speech."""
        phase = time + 2.1 * self._number
        lean = cv2.getRotationMatrix2D((WIDTH * SCALE / 2, 1.1 * HEIGHT * SCALE), 1.4 * np.sin(0.7 * phase), 1.0)
        lean[:, 2] += np.array([2.0 * np.sin(0.43 * phase), 1.0 * np.sin(0.9 * phase) + 1.5 * speech]) * SCALE
        size = (WIDTH * SCALE, HEIGHT * SCALE)
        pixels = cv2.warpAffine(figure.pixels, lean, size, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpAffine(figure.mask, lean, size, borderMode=cv2.BORDER_REPLICATE)
        # The canvas around the figure is black, so its edges are already multiplied by the mask.
        covered = _shrink(mask)[..., None].astype(np.float32) / 255
        return (self._background * (1 - covered) + _shrink(pixels)).clip(0, 255).astype(np.uint8)

    def _blink(self, time: float) -> float:
        """Return 0 for open and 1 for closed eyes; each participant has a different period."""
        since = (time + 1.3 * self._number) % BLINK_EVERY[self._number]
        return max(0.0, 1 - abs(since / BLINK * 2 - 1))


def film(meeting: Meeting) -> Iterator[Bytes]:
    """Yield every frame of the gallery view, 640 by 360."""
    tiles = {name: Tile(name, number) for number, name in enumerate(APPEARANCES)}
    count = int(len(meeting.sound) / SAMPLE_RATE * FRAMES_PER_SECOND)
    gapes = {name: _gape(voice, count) for name, voice in meeting.voices.items()}
    faces = dict.fromkeys(tiles, EXPRESSIONS[Emotion.NEUTRAL])
    for number in range(count):
        time = number / FRAMES_PER_SECOND
        turn = _turn_at(meeting.turns, time)
        pictures: list[Bytes] = []
        for name, tile in tiles.items():
            faces[name] = faces[name].toward(_target_expression(name, turn), 0.25)
            active = turn is not None and turn.line.speaker == name and turn.span.start <= time < turn.span.end
            pictures.append(tile.paint(faces[name], time, speech=float(gapes[name][number]), active=active))
        yield np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])])


def _turn_at(turns: tuple[Turn, ...], time: float) -> Turn | None:
    """Return the turn whose emotion is shown: from AHEAD before its words to half a second after them."""
    return next((turn for turn in reversed(turns) if turn.span.start - AHEAD <= time < turn.span.end + 0.5), None)


def _target_expression(name: str, turn: Turn | None) -> Expression:
    rest = EXPRESSIONS[Emotion.NEUTRAL]
    if turn is None:
        return rest
    shown = EXPRESSIONS[turn.line.emotion]
    return shown if turn.line.speaker == name else rest.toward(shown, LISTENING)


def _gape(voice: Floats, count: int) -> Floats:
    """Return the mouth opening of each frame from the loudness of the voice."""
    size = SAMPLE_RATE // FRAMES_PER_SECOND
    blocks = np.pad(voice, (0, max(0, count * size - len(voice))))[: count * size].reshape(count, size)
    loudness = np.sqrt(np.mean(blocks**2, axis=1))
    wide = float(np.percentile(loudness[loudness > 0], 90)) if loudness.any() else 1.0
    return np.asarray(np.minimum(1.0, (loudness / wide) ** 0.7) * 0.75, dtype=np.float32)


def _shrink(pixels: Bytes) -> Bytes:
    return np.asarray(cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _label(tile: Bytes, name: str) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    (width, height), _ = cv2.getTextSize(name, font, size, 1)
    plate = tile[HEIGHT - 24 : HEIGHT - 6, 7 : 7 + width + 12]
    plate[:] = plate // 4 + 12
    cv2.putText(tile, name, (13, HEIGHT - 15 + height // 2), font, size, (245, 245, 245), 1, cv2.LINE_AA)

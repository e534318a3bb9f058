"""Segmentation engine: a small bundled network detects up to three local voices and the overlap of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.features.segmentation_mel import STEP, WINDOW, log_mel
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import trusted_weights
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

NAME = "segmentation"
HOP = 50 * STEP  # samples from one window to the next: every frame is in five windows
BATCH = 8
VOICES = 3
# class -> active voices: none, each alone, each pair. The trainer builds its targets from the same table.
CLASSES = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
SPEAKS = np.array([[voice in members for voice in range(VOICES)] for members in CLASSES], dtype=np.float32)
TWO = SPEAKS.sum(axis=1) == 2  # (class,)


class PowersetSegmenter:
    name = "powerset"

    def __init__(self, session: Any, fingerprint: str) -> None:
        self._session = session
        self.fingerprint = f"powerset/1/{fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled segmentation network has no option {option!r}.")
        weights, card = trusted_weights(NAME, setup.engines)
        return cls(open_session(weights, setup.threads), card.fingerprint)

    def segment(self, audio: Audio, progress: Progress) -> Segmentation:
        starts = window_starts(len(audio.samples))
        frames = -(-len(audio.samples) // STEP)
        speech, overlap, weight = (np.zeros(frames, dtype=np.float32) for _ in range(3))
        local: list[LocalSpeakers] = []
        for first, logits in self._window_logits(audio, starts, progress):
            scores = _softmax(logits)
            weights = _window_weights(len(scores))
            rows = slice(first // STEP, first // STEP + len(scores))
            speech[rows] += weights * (1 - scores[:, 0])
            overlap[rows] += weights * scores[:, TWO].sum(axis=1)
            weight[rows] += weights
            local.append(LocalSpeakers(audio.start + first / SAMPLE_RATE, scores @ SPEAKS))
        weight = np.maximum(weight, np.float32(1e-9))  # the last partial frame may be in no window
        return Segmentation(audio.start, STEP / SAMPLE_RATE, speech / weight, overlap / weight, tuple(local))

    def _window_logits(self, audio: Audio, starts: Sequence[int], progress: Progress) -> Iterator[tuple[int, Floats]]:
        """Yield the logits (frame, class) of each window; the last may have another length and runs alone."""
        batches = [starts[:-1][first : first + BATCH] for first in range(0, len(starts) - 1, BATCH)]
        done = 0
        for batch in [*batches, starts[-1:]]:
            if not batch:
                continue
            mels = [log_mel(audio.samples[first : _end(first, starts, len(audio.samples))]) for first in batch]
            outputs = self._session.run(None, {"mels": np.stack(mels)})[0]
            yield from zip(batch, outputs, strict=True)
            audio.release()
            done += len(batch)
            progress(done / len(starts))


def window_starts(samples: int) -> list[int]:
    """Return the starts of overlapping windows; the last one ends with the recording."""
    if samples == 0:
        return []
    last = max(0, samples - WINDOW) // STEP * STEP
    return [*range(0, last, HOP), last]


def _end(first: int, starts: Sequence[int], samples: int) -> int:
    return samples if first == starts[-1] else first + WINDOW


def _softmax(logits: Floats) -> Floats:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float32)


def _window_weights(frames: int) -> Floats:
    """Weight frames by their distance to the window edge: frames in the middle have context on both sides."""
    positions = (np.arange(frames) + 0.5) / frames
    return np.asarray(0.05 + np.minimum(positions, 1 - positions), dtype=np.float32)

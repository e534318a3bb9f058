"""Who of at most three local voices speaks when, and where two of them do at once, by a small network of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.model_cards import trusted_weights
from shared.engines.runtime import open_session
from shared.engines.segmentation_mel import STEP, WINDOW, log_mel
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

NAME = "segmentation"
HOP = 50 * STEP  # samples from one window to the next: every moment is heard five times
BATCH = 8
VOICES = 3
# class -> who speaks: nobody, each alone, each pair. The trainer's targets are made of the same table.
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
        for first, answer in self._answers(audio, starts, progress):
            scores = _softmax(answer)
            near = _nearness(len(scores))
            place = slice(first // STEP, first // STEP + len(scores))
            speech[place] += near * (1 - scores[:, 0])
            overlap[place] += near * scores[:, TWO].sum(axis=1)
            weight[place] += near
            local.append(LocalSpeakers(audio.start + first / SAMPLE_RATE, scores @ SPEAKS))
        weight = np.maximum(weight, np.float32(1e-9))  # a last sliver of a frame may be heard by no window
        return Segmentation(audio.start, STEP / SAMPLE_RATE, speech / weight, overlap / weight, tuple(local))

    def _answers(self, audio: Audio, starts: Sequence[int], progress: Progress) -> Iterator[tuple[int, Floats]]:
        """The logits (frame, class) of each window; the last one may be of another length and goes alone."""
        batches = [starts[:-1][first : first + BATCH] for first in range(0, len(starts) - 1, BATCH)]
        done = 0
        for batch in [*batches, starts[-1:]]:
            if not batch:
                continue
            pictures = [log_mel(audio.samples[first : _end(first, starts, len(audio.samples))]) for first in batch]
            answers = self._session.run(None, {"mels": np.stack(pictures)})[0]
            yield from zip(batch, answers, strict=True)
            audio.release()
            done += len(batch)
            progress(done / len(starts))


def window_starts(samples: int) -> list[int]:
    """Windows that overlap; the last one ends with the recording."""
    if samples == 0:
        return []
    last = max(0, samples - WINDOW) // STEP * STEP
    return [*range(0, last, HOP), last]


def _end(first: int, starts: Sequence[int], samples: int) -> int:
    return samples if first == starts[-1] else first + WINDOW


def _softmax(logits: Floats) -> Floats:
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), dtype=np.float32)


def _nearness(frames: int) -> Floats:
    """The middle of a window has heard both sides of a moment, its edges one."""
    places = (np.arange(frames) + 0.5) / frames
    return np.asarray(0.05 + np.minimum(places, 1 - places), dtype=np.float32)

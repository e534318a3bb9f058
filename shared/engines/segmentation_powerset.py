"""Segmentation engine: this project's small network finds up to three speakers in windows of ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.features.segmentation_mel import STEP, WINDOW, log_mel
from shared.engines.features.segmentation_windows import windows_with_speech
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


class PowersetSegmenter:
    name = "powerset"

    def __init__(self, session: Any, fingerprint: str) -> None:
        self._session = session
        self.fingerprint = f"powerset/2/{fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled segmentation network has no option {option!r}.")
        weights, card = trusted_weights(NAME, setup.engines)
        return cls(open_session(weights, setup.threads), card.fingerprint)

    def segment(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        starts = windows_with_speech(audio, speech, length=WINDOW, hop=HOP, step=STEP)
        windows: list[LocalSpeakers] = []
        for first in range(0, len(starts), BATCH):
            batch = starts[first : first + BATCH]
            mels = np.stack([log_mel(audio.samples[start : start + WINDOW]) for start in batch])
            classes = self._session.run(None, {"mels": mels})[0]
            windows += [
                LocalSpeakers(start // STEP, _softmax(logits) @ SPEAKS)
                for start, logits in zip(batch, classes, strict=True)
            ]
            audio.release()
            progress(min(1.0, (first + BATCH) / len(starts)))
        return Segmentation(audio.start, STEP / SAMPLE_RATE, tuple(windows))


def _softmax(logits: Floats) -> Floats:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True), dtype=np.float32)

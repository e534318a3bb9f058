"""Segmentation engine: pyannote's network of 2022 finds up to three speakers in overlapping windows of five seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.features.segmentation_windows import windows_with_speech
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import trusted_weights
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Progress

NAME = "segmentation_pyannet"
VOICES = 3
WINDOW = 5 * SAMPLE_RATE  # samples
STEP = 270  # samples from one frame to the next: the product of the network's strides
FIELD = 991  # samples that one frame sees
EDGE = (FIELD - STEP) // 2  # samples before the part of its field that a frame stands for
HOP = 60 * STEP  # samples from one window to the next, whole frames: about a second
BATCH = 8


class PyanNetSegmenter:
    name = "pyannet"

    def __init__(self, session: Any, fingerprint: str) -> None:
        self._session = session
        self.fingerprint = f"pyannet/1/{fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled segmentation network has no option {option!r}.")
        weights, card = trusted_weights(NAME, setup.engines)
        return cls(open_session(weights, setup.threads), card.fingerprint)

    def segment(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        audible = speech if len(audio.samples) >= FIELD else ()
        starts = windows_with_speech(audio, audible, length=WINDOW, hop=HOP, step=STEP)
        windows: list[LocalSpeakers] = []
        for first in range(0, len(starts), BATCH):
            batch = starts[first : first + BATCH]
            sound = np.stack([audio.samples[start : start + WINDOW] for start in batch])
            activity = self._session.run(None, {"sound": sound})[0]
            windows += [LocalSpeakers(start // STEP, one) for start, one in zip(batch, activity, strict=True)]
            audio.release()
            progress(min(1.0, (first + BATCH) / len(starts)))
        return Segmentation(audio.start + EDGE / SAMPLE_RATE, STEP / SAMPLE_RATE, tuple(windows))

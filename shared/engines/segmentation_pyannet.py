"""Segmentation engine: pyannote's network of 2022 finds up to three speakers in overlapping windows of five seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.features.segmentation_windows import Windows
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import trusted_weights
from shared.ports.engines import Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

NAME = "segmentation_pyannet"
VOICES = 3
STEP = 270  # samples from one frame to the next: the product of the network's strides
WINDOWS = Windows(length=5 * SAMPLE_RATE, hop=60 * STEP, step=STEP, field=991)  # every frame is in five windows


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
        return WINDOWS.segment(self._activity, audio, speech, progress)

    def _activity(self, sounds: Floats) -> Floats:
        return np.asarray(self._session.run(None, {"sound": sounds})[0])

"""Segmentation engine: this project's small network finds up to three speakers in windows of ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.features.powerset import probabilities_of_voices
from shared.engines.features.segmentation_mel import STEP, WINDOW, log_mel
from shared.engines.features.segmentation_windows import Windows
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import trusted_weights
from shared.ports.engines import Segmentation
from shared.ports.media import Audio, Floats, Progress

NAME = "segmentation"
WINDOWS = Windows(length=WINDOW, hop=50 * STEP, step=STEP, field=STEP)  # every frame is in five windows


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
        return WINDOWS.segment(self._activity, audio, speech, progress)

    def _activity(self, sounds: Floats) -> Floats:
        mels = np.stack([log_mel(sound) for sound in sounds])
        return probabilities_of_voices(self._session.run(None, {"mels": mels})[0])

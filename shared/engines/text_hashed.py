"""Emotion in the words by a linear network over hashed words: a stand-in that runs anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain.emotion import Modality
from shared.domain.speech import Utterance
from shared.engines.cards import trusted_weights
from shared.engines.catalog import Setup
from shared.engines.text_features import hashed
from shared.ports.engines import Calibration, Encoding, UtteranceClip
from shared.ports.media import Floats, Progress


@dataclass(frozen=True, slots=True)
class HashedText:
    weights: Floats  # (emotion, feature)
    bias: Floats  # (emotion,)
    fingerprint: str
    calibration: Calibration
    name: str = "text-hashed"
    modality: Modality = Modality.TEXT
    note: str = "A linear stand-in until the bundled text network is trained."

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> HashedText:
        path, card = trusted_weights("text_hashed", setup.engines)
        with np.load(path) as arrays:
            return cls(arrays["weights"].astype(np.float32), arrays["bias"], card.fingerprint, card.calibration)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        logits = np.zeros((len(conversation), len(self.bias)), dtype=np.float32)
        unavailable: list[str | None] = []
        reliability: list[float] = []
        for number, clip in enumerate(conversation):
            positions, values = hashed(clip.utterance.text)
            unavailable.append(None if len(positions) else "no_known_words")
            reliability.append(reliability_of(clip.utterance))
            if len(positions):
                logits[number] = self.weights[:, positions] @ values + self.bias
            progress((number + 1) / len(conversation))
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=np.zeros((len(conversation), 0), dtype=np.float32),
            unavailable=tuple(unavailable),
            reliability=np.array(reliability, dtype=np.float32),
            calibration=self.calibration,
        )


def reliability_of(utterance: Utterance) -> float:
    """How far the words themselves can be trusted: a recogniser's mean confidence, .5 to .9 mapped to 0 to 1."""
    known = [word.confidence for word in utterance.words if word.confidence is not None]
    if not known:
        return 1.0
    return float(np.clip((np.mean(known) - 0.5) / 0.4, 0.0, 1.0))

"""Face emotion engine: a small convolutional network over grey crops of 48 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.features.face_image import scaled
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import Card, trusted_weights
from shared.ports.engines import Encoding, FaceClip, UtteranceClip
from shared.ports.media import Floats, Progress

MAX_FRAMES = 16
MIN_FRAMES = 3


class FaceCnn:
    name = "face-cnn"
    modality = Modality.FACE

    def __init__(self, session: Any, card: Card) -> None:
        self._session = session
        self._calibration = card.calibration
        self._width = session.get_outputs()[1].shape[1]
        self.fingerprint = f"face-cnn/1/{card.fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled face network has no option {option!r}.")
        weights, card = trusted_weights("face_cnn", setup.engines)
        return cls(open_session(weights, setup.threads), card)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        rows = len(conversation)
        logits, features = np.zeros((rows, len(EMOTIONS)), np.float32), np.zeros((rows, self._width), np.float32)
        unavailable: list[str | None] = []
        reliability = np.zeros(rows, dtype=np.float32)
        for number, clip in enumerate(conversation):
            face = clip.face
            reason = face if isinstance(face, str) else "too_few_frames" if len(face.times) < MIN_FRAMES else None
            unavailable.append(reason)
            if reason is None and isinstance(face, FaceClip):
                logits[number], features[number] = self._predict(face)
                reliability[number] = face.margin * face.coverage
            progress((number + 1) / rows)
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=features,
            unavailable=tuple(unavailable),
            reliability=reliability,
            calibration=self._calibration,
        )

    def _predict(self, face: FaceClip) -> tuple[Floats, Floats]:
        """Average over at most sixteen frames, weighted by face quality."""
        chosen = np.unique(np.linspace(0, len(face.times) - 1, min(MAX_FRAMES, len(face.times))).round().astype(int))
        weights = face.weights[chosen] + np.float32(1e-6)
        emotion, embedding = self._session.run(None, {"faces": scaled(np.asarray(face.crops[chosen]))})
        share = (weights / weights.sum())[:, None]
        return (emotion * share).sum(axis=0), (embedding * share).sum(axis=0)

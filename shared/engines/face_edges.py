"""Emotion in the face by a linear network over edge histograms: a stand-in that runs anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain.emotion import Modality
from shared.engines.cards import trusted_weights
from shared.engines.catalog import Setup
from shared.engines.face_features import edge_histograms
from shared.ports.engines import Calibration, Encoding, FaceClip, UtteranceClip
from shared.ports.media import Floats, Progress

MOST_FRAMES = 16
FEWEST_FRAMES = 3


@dataclass(frozen=True, slots=True)
class FaceEdges:
    weights: Floats  # (emotion, feature)
    bias: Floats  # (emotion,)
    fingerprint: str
    calibration: Calibration
    name: str = "face-edges"
    modality: Modality = Modality.FACE
    note: str = "A linear stand-in until the bundled face network is trained."

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> FaceEdges:
        path, card = trusted_weights("face_edges", setup.engines)
        with np.load(path) as arrays:
            return cls(arrays["weights"], arrays["bias"], card.fingerprint, card.calibration)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        logits = np.zeros((len(conversation), len(self.bias)), dtype=np.float32)
        unavailable: list[str | None] = []
        reliability = np.zeros(len(conversation), dtype=np.float32)
        for number, clip in enumerate(conversation):
            face = clip.face
            reason = face if isinstance(face, str) else "too_few_frames" if len(face.times) < FEWEST_FRAMES else None
            unavailable.append(reason)
            if reason is None and isinstance(face, FaceClip):
                logits[number] = self._judge(face)
                reliability[number] = face.margin * face.coverage
            progress((number + 1) / len(conversation))
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=np.zeros((len(conversation), 0), dtype=np.float32),
            unavailable=tuple(unavailable),
            reliability=reliability,
            calibration=self.calibration,
        )

    def _judge(self, face: FaceClip) -> Floats:  # (emotion,)
        """The mean over at most sixteen frames, the clear ones counting most."""
        chosen = np.unique(np.linspace(0, len(face.times) - 1, min(MOST_FRAMES, len(face.times))).round().astype(int))
        each = edge_histograms(np.asarray(face.crops[chosen])) @ self.weights.T + self.bias
        weights = face.weights[chosen] + 1e-6
        mean: Floats = (each * weights[:, None]).sum(axis=0) / weights.sum()
        return mean

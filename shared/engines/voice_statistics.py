"""Emotion in the voice by a linear network over statistics of its sound: a stand-in that runs anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain.emotion import Modality
from shared.engines.cards import trusted_weights
from shared.engines.catalog import Setup
from shared.engines.voice_features import voice_statistics
from shared.engines.voice_quality import LEAST_SNR, SHORTEST, middle, signal_to_noise
from shared.ports.engines import Calibration, Encoding, UtteranceClip
from shared.ports.media import Floats, Progress


@dataclass(frozen=True, slots=True)
class VoiceStatistics:
    mean: Floats  # (feature,)
    deviation: Floats  # (feature,)
    weights: Floats  # (emotion, feature)
    bias: Floats  # (emotion,)
    fingerprint: str
    calibration: Calibration
    name: str = "voice-statistics"
    modality: Modality = Modality.VOICE
    note: str = "A linear stand-in until the bundled voice network is trained."

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> VoiceStatistics:
        path, card = trusted_weights("voice_statistics", setup.engines)
        with np.load(path) as arrays:
            return cls(
                arrays["mean"],
                arrays["deviation"],
                arrays["weights"],
                arrays["bias"],
                card.fingerprint,
                card.calibration,
            )

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        logits = np.zeros((len(conversation), len(self.bias)), dtype=np.float32)
        unavailable: list[str | None] = []
        reliability = np.zeros(len(conversation), dtype=np.float32)
        for number, clip in enumerate(conversation):
            audio, snr = clip.audio, signal_to_noise(clip.audio)
            reason = "too_short" if audio.duration < SHORTEST else "low_snr" if snr < LEAST_SNR else None
            unavailable.append(reason)
            if reason is None:
                features = voice_statistics(middle(audio))
                logits[number] = self.weights @ np.clip((features - self.mean) / self.deviation, -4, 4) + self.bias
                reliability[number] = min(audio.duration / 2, 1.0) * float(np.clip((snr - 5) / 10, 0.0, 1.0))
            audio.release()
            progress((number + 1) / len(conversation))
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=np.zeros((len(conversation), 0), dtype=np.float32),
            unavailable=tuple(unavailable),
            reliability=reliability,
            calibration=self.calibration,
        )

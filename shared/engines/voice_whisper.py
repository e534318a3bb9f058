"""Voice emotion engine: a linear head on the first layers of Whisper's encoder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.error import EngineUnavailable
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.engines.features.voice_quality import assess, middle
from shared.engines.features.whisper_encoder import WhisperEncoder
from shared.engines.weights.model_cards import Card, trusted_weights
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats, Progress

SIZE = "base"  # the Whisper whose layers the head was trained on
FEW = 3  # utterances beyond the first after which half of a speaker's mean is subtracted


@dataclass(frozen=True, slots=True)
class Head:
    """The trained weights."""

    mark: Floats  # of the Whisper
    mean: Floats  # (layer, 2, width), of the training data
    deviation: Floats  # (layer, 2, width)
    mix: Floats  # (layer,), the share of each layer
    weight: Floats  # (emotion, 2 x width)
    bias: Floats  # (emotion,)

    @classmethod
    def read(cls, path: Path) -> Self:
        with np.load(path) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    @property
    def layers(self) -> int:
        return len(self.mix) - 1  # the first is the output of the convolutions

    def describe(self, statistics: Floats) -> Floats:  # (layer, 2, width) to (2 x width,)
        return np.asarray(np.tensordot(self.mix, (statistics - self.mean) / self.deviation, axes=1).ravel())

    def logits(self, vectors: Floats) -> Floats:  # (utterance, 2 x width) to (utterance, emotion)
        return np.asarray(vectors @ self.weight.T + self.bias)


class VoiceWhisper:
    name = "voice-whisper"
    weights = "voice_whisper"
    modality = Modality.VOICE

    def __init__(self, encoder: WhisperEncoder, head: Head, card: Card, whisper: str, threads: int) -> None:
        self._encoder = encoder
        self._threads = threads
        self._head = head
        self._card = card
        self.fingerprint = f"{self.name}/1/{card.fingerprint}/{card.fusion_weight}/{whisper}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        """Load with the fetched Whisper, or with the converted model in the folder that the option names."""
        weights, card = trusted_weights(cls.weights, setup.engines)
        whisper = FasterWhisper.load(option or SIZE, setup)
        head = Head.read(weights)
        encoder = WhisperEncoder.load(whisper.folder / "model.bin", head.layers)
        if encoder.mark.shape != head.mark.shape or not np.allclose(encoder.mark, head.mark, atol=1e-3):
            raise EngineUnavailable(
                f"{whisper.name} is not the Whisper that the voice network was trained on.",
                hint=f"undertone models fetch faster-whisper:{SIZE}",
            )
        return cls(encoder, head, card, whisper.fingerprint, setup.threads)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        rows = len(conversation)
        vectors = np.zeros((rows, self._head.weight.shape[1]), np.float32)
        unavailable: list[str | None] = []
        reliability = np.zeros(rows, dtype=np.float32)
        with ThreadPoolExecutor(self._threads) as pool:
            for number, (reason, trust, vector) in enumerate(pool.map(self._describe, conversation)):
                unavailable.append(reason)
                reliability[number] = trust
                vectors[number] = vector
                progress((number + 1) / rows)
        available = np.array([reason is None for reason in unavailable], dtype=bool)
        speakers = np.array([clip.utterance.speaker for clip in conversation])
        vectors[available] = centred(vectors[available], speakers[available])
        logits = np.zeros((rows, len(EMOTIONS)), np.float32)
        logits[available] = self._head.logits(vectors[available])
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=vectors,
            unavailable=tuple(unavailable),
            reliability=reliability,
            calibration=self._card.calibration,
            fusion_weight=self._card.fusion_weight,
        )

    def _describe(self, clip: UtteranceClip) -> tuple[str | None, float, Floats | float]:
        """Why the clip cannot be used, or None; its reliability; its vector, or zero."""
        reason, reliability = assess(clip.audio)
        vector = 0.0 if reason else self._head.describe(self._encoder.statistics(middle(clip.audio)))
        clip.audio.release()
        return reason, reliability, vector


class VoiceWhisperEmodb(VoiceWhisper):
    """The same head trained on speech that permits commercial use: German, without surprise."""

    name = "voice-whisper-emodb"
    weights = "voice_whisper_emodb"


def centred(vectors: Floats, speakers: np.ndarray) -> Floats:  # (utterance, width)
    """Subtract the mean of each speaker's utterances, to separate expression from voice; less of it if they are few."""
    found = vectors.copy()
    for speaker in set(speakers):
        own = speakers == speaker
        others = int(own.sum()) - 1
        found[own] -= np.float32(others / (others + FEW)) * vectors[own].mean(axis=0)
    return found

"""Voice emotion engine: a small convolutional network over log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.features.voice_augmentation import augmented_windows
from shared.engines.features.voice_mel import KNOWN, Scale, log_mel, scaled, stacked, voice_scale
from shared.engines.features.voice_quality import MIN_SECONDS, assess, middle
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import Card, trusted_weights
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats, Progress

SCALE_SECONDS = 120.0  # seconds of one voice used to estimate its scale
BATCH = 20  # windows; a long utterance has twice as many, and all at the same time need more memory


class VoiceCnn:
    name = "voice-cnn"
    weights = "voice_cnn"
    modality = Modality.VOICE

    def __init__(self, session: Any, card: Card) -> None:
        self._session = session
        self._calibration = card.calibration
        self._width = session.get_outputs()[1].shape[1]
        self.fingerprint = f"{self.name}/2/{card.fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled voice network has no option {option!r}.")
        weights, card = trusted_weights(cls.weights, setup.engines)
        return cls(open_session(weights, setup.threads), card)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        rows = len(conversation)
        logits, features = np.zeros((rows, len(EMOTIONS)), np.float32), np.zeros((rows, self._width), np.float32)
        unavailable: list[str | None] = []
        reliability = np.zeros(rows, dtype=np.float32)
        voices = _scales(conversation)
        for number, clip in enumerate(conversation):
            reason, reliability[number] = assess(clip.audio)
            unavailable.append(reason)
            if reason is None:
                spectrogram = scaled(_log_mel(clip), voices.get(clip.utterance.speaker))
                logits[number], features[number] = self._predict(augmented_windows(spectrogram))
            clip.audio.release()
            progress((number + 1) / rows)
        return Encoding(
            modality=self.modality,
            logits=logits,
            features=features,
            unavailable=tuple(unavailable),
            reliability=reliability,
            calibration=self._calibration,
        )

    def _predict(self, windows: Sequence[Floats]) -> tuple[Floats, Floats]:
        emotions, embeddings = [], []
        for first in range(0, len(windows), BATCH):
            mels, mask = stacked(windows[first : first + BATCH])
            emotion, embedding = self._session.run(None, {"mels": mels, "mask": mask})
            emotions.append(emotion)
            embeddings.append(embedding)
        return np.concatenate(emotions).mean(axis=0), np.concatenate(embeddings).mean(axis=0)


class VoiceCnnEmodb(VoiceCnn):
    """The same network trained on speech that permits commercial use: smaller, German, without surprise."""

    name = "voice-cnn-emodb"
    weights = "voice_cnn_emodb"


def _scales(conversation: Sequence[UtteranceClip]) -> dict[str, Scale]:
    """Estimate mean and deviation of each speaker from up to two minutes, to separate expression from voice."""
    mels: dict[str, list[Floats]] = {}
    seconds: dict[str, float] = {}
    for clip in conversation:
        speaker = clip.utterance.speaker
        if clip.audio.duration >= MIN_SECONDS and seconds.get(speaker, 0.0) < SCALE_SECONDS:
            mels.setdefault(speaker, []).append(_log_mel(clip))
            seconds[speaker] = seconds.get(speaker, 0.0) + clip.audio.duration
            clip.audio.release()
    known = {speaker: voice_scale(spectrograms) for speaker, spectrograms in mels.items() if seconds[speaker] >= KNOWN}
    return {speaker: scale for speaker, scale in known.items() if scale is not None}


def _log_mel(clip: UtteranceClip) -> Floats:
    return log_mel(middle(clip.audio))

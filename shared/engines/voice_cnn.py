"""Emotion in the voice, by a small convolutional network over log-mel pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.model_cards import Card, trusted_weights
from shared.engines.runtime import open_session
from shared.engines.voice_augmentation import augmented_windows
from shared.engines.voice_mel import KNOWN, Scale, log_mel, scaled, stacked, voice_scale
from shared.engines.voice_quality import MIN_SECONDS, MIN_SNR, signal_to_noise
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Floats, Progress

MAX_SECONDS = 15.0  # seconds heard of one utterance
SCALE_SECONDS = 120.0  # of one voice, from which its scale is taken
BATCH = 20  # windows; a long utterance has twice as many, and what they take is memory


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
            snr = signal_to_noise(clip.audio)
            reason = "too_short" if clip.audio.duration < MIN_SECONDS else "low_snr" if snr < MIN_SNR else None
            unavailable.append(reason)
            if reason is None:
                picture = scaled(_picture(clip), voices.get(clip.utterance.speaker))
                logits[number], features[number] = self._predict(augmented_windows(picture))
                reliability[number] = min(clip.audio.duration / 2, 1.0) * float(np.clip((snr - 5) / 10, 0.0, 1.0))
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

    def _predict(self, seen: Sequence[Floats]) -> tuple[Floats, Floats]:
        emotions, embeddings = [], []
        for first in range(0, len(seen), BATCH):
            mels, mask = stacked(seen[first : first + BATCH])
            emotion, embedding = self._session.run(None, {"mels": mels, "mask": mask})
            emotions.append(emotion)
            embeddings.append(embedding)
        return np.concatenate(emotions).mean(axis=0), np.concatenate(embeddings).mean(axis=0)


class VoiceCnnEmodb(VoiceCnn):
    """The same network, but of speech that may be used commercially: smaller, German, and without surprise."""

    name = "voice-cnn-emodb"
    weights = "voice_cnn_emodb"


def _scales(conversation: Sequence[UtteranceClip]) -> dict[str, Scale]:
    """How each speaker sounds on the whole, from up to two minutes of the voice: what is left is how it is said."""
    heard: dict[str, list[Floats]] = {}
    seconds: dict[str, float] = {}
    for clip in conversation:
        speaker = clip.utterance.speaker
        if clip.audio.duration >= MIN_SECONDS and seconds.get(speaker, 0.0) < SCALE_SECONDS:
            heard.setdefault(speaker, []).append(_picture(clip))
            seconds[speaker] = seconds.get(speaker, 0.0) + clip.audio.duration
            clip.audio.release()
    known = {speaker: voice_scale(pictures) for speaker, pictures in heard.items() if seconds[speaker] >= KNOWN}
    return {speaker: scale for speaker, scale in known.items() if scale is not None}


def _picture(clip: UtteranceClip) -> Floats:
    samples = clip.audio.samples
    skipped = max(0, len(samples) - round(MAX_SECONDS * SAMPLE_RATE)) // 2
    return log_mel(np.asarray(samples[skipped : len(samples) - skipped], dtype=np.float32))

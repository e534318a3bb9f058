"""GE2E speaker encoders: one unit vector for a second or two of one voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.features.mel import mel_power
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import trusted_weights
from shared.ports.media import SAMPLE_RATE, Floats

LOUDNESS = 10 ** (-30 / 20)  # quiet speech is amplified to this level; loud speech is not changed
SIZE = 256  # of one embedding
WINDOW, LONG = round(1.6 * SAMPLE_RATE), round(2.4 * SAMPLE_RATE)  # samples; the network was trained on such windows
BATCH = 64


@dataclass(frozen=True, slots=True)
class Ge2eEncoder:
    """The published encoder, for read speech; it separates calm and angry speech of one person."""

    session: Any
    fingerprint: str

    name: ClassVar[str] = "ge2e"
    weights: ClassVar[str] = "speaker_ge2e"
    same_voice: ClassVar[float] = 0.72
    note: ClassVar[str | None] = "Emotional speech of one person may be detected as another speaker."

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The speaker encoder has no option {option!r}.")
        weights, card = trusted_weights(cls.weights, setup.engines)
        return cls(open_session(weights, setup.threads), card.sha256[:16])

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, dim)
        """Embed the clips; shorter ones are padded with silence, so clips of one call should have one length.

        A long clip is embedded as a whole and in windows, and the published embedding is the mean of both.
        """
        found = self.embed_whole(clips)
        long = [number for number, clip in enumerate(clips) if len(clip) >= LONG]
        if long:
            windows = [_windows(clips[number]) for number in long]
            rows = self.embed_whole([window for of_clip in windows for window in of_clip])[:, :SIZE]
            sums = np.add.reduceat(rows, np.cumsum([0, *map(len, windows[:-1])]), axis=0)
            found[long, :SIZE] = _unit(found[long, :SIZE] + _unit(sums))
        return _unit(found)

    def embed_whole(self, clips: Sequence[Floats]) -> Floats:  # (clip, dim)
        """Embed each clip as a whole; a network with two last layers returns two concatenated unit vectors."""
        found = [self._embed(clips[first : first + BATCH]) for first in range(0, len(clips), BATCH)]
        return np.concatenate(found) if found else np.zeros((0, SIZE), dtype=np.float32)

    def _embed(self, clips: Sequence[Floats]) -> Floats:
        longest = max(len(clip) for clip in clips)
        mels = np.stack(
            [mel_power(np.pad(normalize_loudness(clip), (0, longest - len(clip))), bands=40) for clip in clips]
        )
        embeddings: Floats = self.session.run(None, {"mels": mels})[0]
        return embeddings


class MoodsEncoder(Ge2eEncoder):
    """The published encoder with a second embedding that was trained to recognise a voice in every emotion."""

    __slots__ = ()

    name = "ge2e-moods"
    weights = "speaker_ge2e_moods"
    same_voice = 0.7
    note = None


def _windows(clip: Floats) -> list[Floats]:
    starts = np.linspace(0, len(clip) - WINDOW, -(-len(clip) // WINDOW)).astype(int).tolist()
    return [clip[start : start + WINDOW] for start in starts]


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def normalize_loudness(clip: Floats) -> Floats:
    level = float(np.sqrt(np.mean(np.square(clip)))) if len(clip) else 0.0
    return clip * np.float32(max(1.0, LOUDNESS / level)) if level > 0 else clip

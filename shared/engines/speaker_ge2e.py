"""The GE2E speaker encoder: one unit vector for a second or two of one voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.engines.cards import trusted_weights
from shared.engines.catalog import Setup
from shared.engines.mel import mel_power
from shared.engines.runtime import open_session
from shared.ports.media import Floats

LOUDNESS = 10 ** (-30 / 20)  # quiet speech is raised to this level; loud speech is never lowered
BATCH = 64


@dataclass(frozen=True, slots=True)
class Ge2eEncoder:
    session: Any
    fingerprint: str
    name: str = "ge2e"
    window: float = 1.6
    note: str = "Stands in until a speaker encoder is trained here; emotion moves its embeddings."

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> Ge2eEncoder:
        weights, card = trusted_weights("speaker_ge2e", setup.engines)
        return cls(open_session(weights, setup.threads), card.sha256[:16])

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, 256)
        """Clips of one call should be of one length; the shorter ones are filled up with silence."""
        found = [self._embed(clips[first : first + BATCH]) for first in range(0, len(clips), BATCH)]
        return np.concatenate(found) if found else np.zeros((0, 256), dtype=np.float32)

    def _embed(self, clips: Sequence[Floats]) -> Floats:
        longest = max(len(clip) for clip in clips)
        mels = np.stack([mel_power(np.pad(_raise(clip), (0, longest - len(clip))), bands=40) for clip in clips])
        embeddings: Floats = self.session.run(None, {"mels": mels})[0]
        return embeddings


def _raise(clip: Floats) -> Floats:
    level = float(np.sqrt(np.mean(np.square(clip)))) if len(clip) else 0.0
    return clip * np.float32(max(1.0, LOUDNESS / level)) if level > 0 else clip

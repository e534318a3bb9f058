"""The GE2E speaker encoder: one unit vector for a second or two of one voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.cards import BUNDLED, trusted_weights
from shared.engines.catalog import Setup
from shared.engines.mel import mel_power
from shared.engines.runtime import open_session
from shared.ports.media import Floats

LOUDNESS = 10 ** (-30 / 20)  # quiet speech is raised to this level; loud speech is never lowered
BATCH = 64
MOODS = "moods"


@dataclass(frozen=True, slots=True)
class Ge2eEncoder:
    session: Any
    fingerprint: str
    name: str = "ge2e"
    window: float = 1.6
    note: str | None = "Stands in until a speaker encoder is trained here; emotion moves its embeddings."

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Ge2eEncoder:
        """`moods` is the encoder that was trained here to know a voice again in every mood."""
        if option not in (None, MOODS):
            raise InvalidRequest(f"The speaker encoder has no option {option!r}; there is {MOODS!r}.")
        if option is None:
            weights, card = trusted_weights("speaker_ge2e", setup.engines)
            return cls(open_session(weights, setup.threads), card.sha256[:16])
        if not (BUNDLED / f"speaker_ge2e_{MOODS}.json").is_file():
            raise EngineUnavailable(
                "No speaker encoder has been trained here yet.",
                mend="undertone train speaker --data DATA && undertone export speaker --data DATA",
            )
        weights, card = trusted_weights(f"speaker_ge2e_{MOODS}", setup.engines)
        return cls(open_session(weights, setup.threads), card.sha256[:16], f"ge2e:{MOODS}", note=None)

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, 256)
        """Clips of one call should be of one length; the shorter ones are filled up with silence."""
        found = [self._embed(clips[first : first + BATCH]) for first in range(0, len(clips), BATCH)]
        return np.concatenate(found) if found else np.zeros((0, 256), dtype=np.float32)

    def _embed(self, clips: Sequence[Floats]) -> Floats:
        longest = max(len(clip) for clip in clips)
        mels = np.stack([mel_power(np.pad(louder(clip), (0, longest - len(clip))), bands=40) for clip in clips])
        embeddings: Floats = self.session.run(None, {"mels": mels})[0]
        return embeddings


def louder(clip: Floats) -> Floats:
    level = float(np.sqrt(np.mean(np.square(clip)))) if len(clip) else 0.0
    return clip * np.float32(max(1.0, LOUDNESS / level)) if level > 0 else clip

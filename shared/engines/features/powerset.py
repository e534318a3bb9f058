"""The classes of powerset segmentation: each is a set of at most two of three voices."""

from __future__ import annotations

import numpy as np

from shared.ports.media import Floats

VOICES = 3
# class -> active voices: none, each alone, each pair.
CLASSES = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
SPEAKS = np.array([[voice in members for voice in range(VOICES)] for members in CLASSES], dtype=np.float32)


def probabilities_of_voices(logits: Floats) -> Floats:  # (…, class) to (…, voice)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True) @ SPEAKS, dtype=np.float32)

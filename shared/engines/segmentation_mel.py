"""The log-mel picture of ten seconds of a meeting, freed from its level and its microphone: one copy for all."""

from __future__ import annotations

import numpy as np

from shared.engines.mel import mel_power
from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 64
HOP = 320  # samples from one picture frame to the next
SHRINKS = 2  # picture frames that become one decision
STEP = HOP * SHRINKS  # samples that one decision covers
WINDOW = 10 * SAMPLE_RATE  # samples that the network hears at once
EMPHASIS = np.float32(0.97)
FAINTEST = 1e-11  # power below which all is silence: below the last of 16 bits
SPREAD = np.float32(2.0)  # nepers that become one


def log_mel(samples: Floats) -> Floats:  # (frame, band)
    """A frame for every whole hop, but at least one; every band has mean 0 over the picture."""
    samples = np.asarray(samples, dtype=np.float32)
    raised = np.append(samples[:1], samples[1:] - EMPHASIS * samples[:-1])
    power = mel_power(raised, bands=BANDS, window=512, hop=HOP, low=50.0, high=7600.0)
    picture = np.log(power[: max(1, len(samples) // HOP)] + np.float32(FAINTEST))
    return np.asarray((picture - picture.mean(axis=0)) / SPREAD, dtype=np.float32)

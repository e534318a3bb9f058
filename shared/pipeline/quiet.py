"""Finds the pauses in which a recording is as quiet as its background, so that nobody speaks in them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from shared.ports.engines import Segmentation
from shared.ports.media import SAMPLE_RATE, Audio

PAUSE = 0.4  # seconds; shorter silence is part of speech
MARGIN = 3.0  # decibels above the background: of steady noise, nearly every frame is below it
BACKGROUND = 5  # percentile of the levels of a block
LOUD, RANGE = 95, 15.0  # percentile of speech, and the decibels it is above the background at least
BLOCK = 60.0  # seconds with one background, approximately
SILENCE = 1e-6  # added to every level, for audio without any noise


def find_pauses(audio: Audio, segmentation: Segmentation) -> npt.NDArray[np.bool_]:  # (frame,)
    """The frames in pauses; where noise changes or drowns speech, there are none."""
    length = round(segmentation.step * SAMPLE_RATE)
    offset = max(0, round((segmentation.start - audio.start) * SAMPLE_RATE))
    frames = min(segmentation.frames, (len(audio.samples) - offset) // length)
    quiet = np.zeros(segmentation.frames, dtype=bool)
    borders = np.linspace(0, frames, max(1, round(frames * segmentation.step / BLOCK)) + 1).astype(int).tolist()
    for begin, end in pairwise(borders):
        samples = audio.samples[offset + begin * length : offset + end * length].reshape(-1, length)
        levels = 10 * np.log10(np.square(samples).mean(axis=1) + SILENCE**2)
        audio.release()
        background, loud = np.percentile(levels, [BACKGROUND, LOUD])
        if loud - background >= RANGE:
            quiet[begin:end] = levels < background + MARGIN
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    for begin, end in edges.reshape(-1, 2):
        if (end - begin) * segmentation.step < PAUSE:
            quiet[begin:end] = False
    return quiet

from __future__ import annotations

import numpy as np
import pytest

from shared.pipeline.quiet import BLOCK, find_pauses
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats

STEP = 0.02


def noise(seconds: float, level: float) -> Floats:
    random = np.random.default_rng(round(seconds * 100))
    return (random.normal(0, level, round(seconds * SAMPLE_RATE))).astype(np.float32)


def pauses(*parts: Floats, start: float = 0.0, frames: int | None = None) -> list[tuple[float, float]]:
    sound = np.concatenate(parts)
    count = len(sound) // round(STEP * SAMPLE_RATE) if frames is None else frames
    windows = (LocalSpeakers(0, np.zeros((count, 3), dtype=np.float32)),)
    found = find_pauses(Audio(sound, start), Segmentation(start, STEP, windows))
    assert len(found) == count
    edges = np.flatnonzero(np.diff(np.concatenate([[0], found.astype(int), [0]]))) * STEP
    return [(round(begin, 1), round(end, 1)) for begin, end in edges.reshape(-1, 2).tolist()]


@pytest.mark.parametrize("background", [0.0, 0.002])
def test_pauses_are_as_quiet_as_the_background(background: float) -> None:
    speech, pause = noise(2, 0.1), noise(1, background)
    assert pauses(speech, pause, speech) == [(2, 3)]
    assert pauses(speech, pause, speech, start=5.0) == [(2, 3)]


def test_short_silence_is_part_of_speech() -> None:
    assert pauses(noise(2, 0.1), noise(0.3, 0.0), noise(2, 0.1), noise(0.5, 0.0)) == [(4.3, 4.8)]


def test_changing_level_has_no_pauses() -> None:
    assert pauses(noise(20, 0.1) * np.linspace(0.2, 1, 20 * SAMPLE_RATE, dtype=np.float32)) == []
    assert pauses(noise(3, 0.1), noise(1, 0.03), noise(3, 0.1)) == []


def test_every_block_has_its_background() -> None:
    louder = [noise(BLOCK - 5, 0.3), noise(5, 0.02), noise(10, 0.3)]
    assert pauses(noise(BLOCK - 5, 0.1), noise(5, 0.001), *louder) == [(55, 60), (115, 120)]


def test_recording_longer_or_shorter_than_its_windows() -> None:
    sound = [noise(1, 0.1), noise(1, 0.0)]
    assert pauses(*sound, frames=75) == [(1, 1.5)]
    assert pauses(*sound, frames=200) == [(1, 2)]
    assert pauses(noise(0.02, 0.1), frames=10) == []

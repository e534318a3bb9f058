from __future__ import annotations

import numpy as np
import pytest

from shared.domain.error import InvalidRequest
from shared.domain.span import span
from shared.engines.catalog import SEGMENTATION, Setup, choose
from shared.engines.segmentation_pyannet import STEP, WINDOWS, PyanNetSegmenter
from shared.ports.media import SAMPLE_RATE, Audio, Floats
from tests.fakes import silent, tone


class LoudnessSession:
    """Reports the level of every frame as the first voice, with the frames of the real network."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, _names: None, inputs: dict[str, Floats]) -> list[Floats]:
        self.shapes.append(inputs["sound"].shape)
        fields = np.lib.stride_tricks.sliding_window_view(inputs["sound"], 991, axis=1)[:, ::270]
        level = np.abs(fields[:, :, 360:630]).max(axis=2)
        return [np.stack([level, 0 * level, 0 * level], axis=2).astype(np.float32)]


def starts(seconds: float, *speech: tuple[float, float], start: float = 0.0) -> list[int]:
    spans = [span(*one) for one in speech]
    return WINDOWS.with_speech(Audio(silent(seconds), start), spans)


def test_windows_overlap_and_the_last_one_ends_with_the_recording() -> None:
    found = starts(25, (0, 25))
    assert found[0] == 0
    assert 0 <= 20 * SAMPLE_RATE - found[-1] < STEP
    assert all(first % STEP == 0 for first in found)
    assert max(np.diff(found)) <= WINDOWS.hop
    assert starts(1, (0, 1)) == [0]
    assert starts(0, (0, 1)) == [], "shorter than one frame"


def test_windows_without_speech_are_left_out() -> None:
    found = np.array(starts(7300, (0, 2), (3600, 3601), (7299, 7300), start=0.0)) / SAMPLE_RATE
    assert len(found) < 20
    assert all(any(first < end and first + 5 > begin for begin, end in ((0, 2), (3600, 3601), (7299, 7300)))
               for first in found)  # fmt: skip
    assert starts(60) == []
    assert len(starts(60, (101, 102), start=100.0)) == len(starts(60, (1, 2)))


def test_frames_are_where_the_sound_is() -> None:
    """A tone from 7 to 8 s of a recording that starts at 100 s."""
    sound = np.concatenate([silent(7), tone(1, 300.0, level=0.5), silent(4)])
    session, shares = LoudnessSession(), list[float]()
    made = PyanNetSegmenter(session, "x").segment(Audio(sound, 100.0), [span(100, 112)], shares.append)
    for window in made.windows:
        loud = np.flatnonzero(window.active[:, 0] > 0.1)
        if len(loud) and loud[-1] < len(window.active) - 1 and loud[0] > 0:
            assert made.start + (window.first + loud[0]) * made.step == pytest.approx(107, abs=2 * made.step)
            assert made.start + (window.first + loud[-1] + 1) * made.step == pytest.approx(108, abs=2 * made.step)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert max(shape[0] for shape in session.shapes) <= 8


@pytest.mark.parametrize(("seconds", "windows"), [(0.0, 0), (0.03, 0), (0.1, 1), (0.9, 1), (5.0, 1), (5.5, 2)])
def test_short_recordings(setup: Setup, seconds: float, windows: int) -> None:
    made = PyanNetSegmenter.load(None, setup).segment(Audio(tone(seconds)), [span(0, seconds)], lambda share: None)
    assert len(made.windows) == windows
    assert all(window.active.shape[1] == 3 for window in made.windows)


def test_whole_window_has_293_frames_and_silence_no_speech(setup: Setup) -> None:
    made = PyanNetSegmenter.load(None, setup).segment(Audio(silent(12.0)), [span(0, 12)], lambda share: None)
    assert {window.active.shape for window in made.windows} == {(293, 3)}
    assert max(window.active.max() for window in made.windows) < 0.5


def test_pyannet_is_the_default_and_has_no_options(setup: Setup) -> None:
    assert isinstance(choose(SEGMENTATION, None, setup), PyanNetSegmenter)
    with pytest.raises(InvalidRequest):
        PyanNetSegmenter.load("large", setup)

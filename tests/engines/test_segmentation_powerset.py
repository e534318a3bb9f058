from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.domain.error import InvalidRequest
from shared.engines.catalog import SEGMENTATION, Setup, choose
from shared.engines.features.segmentation_mel import HOP, STEP, WINDOW, log_mel
from shared.engines.segmentation_powerset import CLASSES, PowersetSegmenter, window_starts
from shared.ports.media import SAMPLE_RATE, Audio, Floats
from tests.fakes import silent, tone


class ScriptedSession:
    """Returns one class for every frame and records the input shapes."""

    def __init__(self, always: int) -> None:
        self.always = always
        self.shapes: list[tuple[int, ...]] = []

    def run(self, _names: None, inputs: dict[str, Floats]) -> list[Floats]:
        rows, frames, _ = inputs["mels"].shape
        self.shapes.append(inputs["mels"].shape)
        logits = np.zeros((rows, -(-frames // 2), len(CLASSES)), dtype=np.float32)
        logits[:, :, self.always] = 20.0
        return [logits]


class Mapped(Audio):
    released = 0

    def release(self) -> None:
        type(self).released += 1


def segment(seconds: float, always: int, start: float = 0.0) -> tuple[Any, ScriptedSession, list[float]]:
    session, shares = ScriptedSession(always), list[float]()
    made = PowersetSegmenter(session, "x").segment(Audio(silent(seconds), start), shares.append)
    return made, session, shares


@pytest.mark.parametrize("seconds", [0.01, 3.0, 10.0, 10.03, 31.7, 60.0])
def test_every_frame_of_the_recording_has_a_score(seconds: float) -> None:
    made, session, shares = segment(seconds, always=4)
    assert len(made.speech) == len(made.overlap) == -(-round(seconds * SAMPLE_RATE) // STEP)
    whole = len(made.speech) - 1  # the last one may be partial
    assert made.speech[:whole] == pytest.approx(1.0, abs=1e-4)
    assert made.overlap[:whole] == pytest.approx(1.0, abs=1e-4)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert max(shape[0] for shape in session.shapes) <= 8


@pytest.mark.parametrize(("always", "speech", "overlap", "voices"), [(0, 0, 0, ""), (3, 1, 0, "2"), (5, 1, 1, "02")])
def test_powerset_class_is_a_set_of_voices(always: int, speech: float, overlap: float, voices: str) -> None:
    made, _, _ = segment(14.0, always, start=5.0)
    assert made.speech == pytest.approx(speech, abs=1e-4)
    assert made.overlap == pytest.approx(overlap, abs=1e-4)
    assert [local.start for local in made.local] == pytest.approx([5.0, 7.0, 9.0])
    for local in made.local:
        assert local.active.shape == (WINDOW // STEP, 3)
        assert local.active.mean(axis=0) == pytest.approx([float(str(n) in voices) for n in range(3)], abs=1e-4)


def test_empty_audio_has_no_frames() -> None:
    made, session, shares = segment(0.0, always=1)
    assert (len(made.speech), made.local, session.shapes, shares) == (0, (), [], [])


def test_audio_memory_is_released_between_batches() -> None:
    Mapped.released = 0
    PowersetSegmenter(ScriptedSession(0), "x").segment(Mapped(silent(60)), lambda share: None)
    assert Mapped.released >= 4


def test_windows_overlap_and_the_last_one_ends_with_the_recording() -> None:
    starts = window_starts(25 * SAMPLE_RATE)
    assert starts[0] == 0
    assert starts[-1] == 15 * SAMPLE_RATE
    assert all(start % STEP == 0 for start in starts)
    assert max(np.diff(starts)) <= 2 * SAMPLE_RATE
    assert window_starts(SAMPLE_RATE) == [0]


def test_log_mel_does_not_depend_on_the_level() -> None:
    sound = np.concatenate([tone(1.0, 300.0, level=0.5), tone(1.0, 900.0, level=0.5)])
    sound += np.random.default_rng(0).normal(0, 0.01, len(sound)).astype(np.float32)
    loud, quiet = log_mel(sound), log_mel(sound * np.float32(0.01))
    assert loud.shape == (2 * SAMPLE_RATE // HOP, 64)
    assert np.abs(loud - quiet).mean() < 0.01
    assert np.isfinite(log_mel(silent(0.001))).all()


def test_powerset_is_the_default_and_none_can_be_selected(setup: Setup) -> None:
    assert isinstance(choose(SEGMENTATION, None, setup), PowersetSegmenter)
    assert choose(SEGMENTATION, "none", setup) is None


def test_option_is_rejected(setup: Setup) -> None:
    with pytest.raises(InvalidRequest):
        PowersetSegmenter.load("large", setup)


def test_bundled_weights_find_no_speech_in_silence(setup: Setup) -> None:
    made = PowersetSegmenter.load(None, setup).segment(Audio(silent(12.0)), lambda share: None)
    assert made.speech.max() < 0.5

from __future__ import annotations

import numpy as np
import pytest

from shared.domain.error import InvalidRequest
from shared.domain.span import span
from shared.engines.catalog import Setup
from shared.engines.features.powerset import CLASSES
from shared.engines.features.segmentation_mel import HOP, STEP, WINDOW, log_mel
from shared.engines.segmentation_powerset import PowersetSegmenter
from shared.ports.engines import Segmentation
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


def segment(seconds: float, always: int, start: float = 0.0) -> tuple[Segmentation, ScriptedSession, list[float]]:
    session, shares = ScriptedSession(always), list[float]()
    speech = [span(start, start + seconds)]
    made = PowersetSegmenter(session, "x").segment(Audio(silent(seconds), start), speech, shares.append)
    return made, session, shares


@pytest.mark.parametrize(("always", "voices"), [(0, ""), (3, "2"), (5, "02")])
def test_powerset_class_is_a_set_of_voices(always: int, voices: str) -> None:
    made, session, shares = segment(14.0, always, start=5.0)
    assert (made.start, made.step) == (5.0, 0.04)
    assert [window.first for window in made.windows] == [0, 50, 100]
    for window in made.windows:
        assert window.active.shape == (WINDOW // STEP, 3)
        assert window.active.mean(axis=0) == pytest.approx([float(str(n) in voices) for n in range(3)], abs=1e-4)
    assert shares[-1] == 1.0
    assert max(shape[0] for shape in session.shapes) <= 8


def test_audio_memory_is_released_between_batches() -> None:
    Mapped.released = 0
    PowersetSegmenter(ScriptedSession(0), "x").segment(Mapped(silent(60)), [span(0, 60)], lambda share: None)
    assert Mapped.released == 4


def test_log_mel_does_not_depend_on_the_level() -> None:
    sound = np.concatenate([tone(1.0, 300.0, level=0.5), tone(1.0, 900.0, level=0.5)])
    sound += np.random.default_rng(0).normal(0, 0.01, len(sound)).astype(np.float32)
    loud, quiet = log_mel(sound), log_mel(sound * np.float32(0.01))
    assert loud.shape == (2 * SAMPLE_RATE // HOP, 64)
    assert np.abs(loud - quiet).mean() < 0.01
    assert np.isfinite(log_mel(silent(0.001))).all()


def test_option_is_rejected(setup: Setup) -> None:
    with pytest.raises(InvalidRequest):
        PowersetSegmenter.load("large", setup)


def test_bundled_weights_find_no_speech_in_silence(setup: Setup) -> None:
    made = PowersetSegmenter.load(None, setup).segment(Audio(silent(12.0)), [span(0, 12)], lambda share: None)
    assert max(window.active.max() for window in made.windows) < 0.5

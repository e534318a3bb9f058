from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shared.pipeline.local_speech import BATCH, embed_pieces, pieces_of, seconds_alone
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats
from tests.fakes import ScriptedEncoder, tone

STEP = 0.05


def segmentation(*windows: list[tuple[int, float, float]], start: float = 0.0) -> Segmentation:
    """Windows of five seconds, one after the other, with (voice, start, end) in seconds of the window."""
    made = []
    for number, turns in enumerate(windows):
        active = np.zeros((100, 3), dtype=np.float32)
        for voice, begin, end in turns:
            active[round(begin / STEP) : round(end / STEP), voice] = 1
        made.append(LocalSpeakers(number * 100, active))
    return Segmentation(start, STEP, tuple(made))


class ReleasableAudio(Audio):
    released = 0

    def release(self) -> None:
        type(self).released += 1


class LengthEncoder(ScriptedEncoder):
    """Records the lengths of the clips of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[list[int]] = []

    def embed(self, clips: Sequence[Floats]) -> Floats:
        self.lengths.append([len(clip) for clip in clips])
        return super().embed(clips)


def test_long_pause_splits_a_voice_and_a_short_one_does_not() -> None:
    found = list(pieces_of(segmentation([(0, 0, 1), (0, 1.2, 2), (0, 3, 4)], [(1, 2, 3)])))
    assert [(piece.window, piece.voice, piece.begin, piece.end) for piece in found] == [
        (0, 0, 0, 40), (0, 0, 60, 80), (1, 1, 40, 60),
    ]  # fmt: skip
    assert len(found[0].alone) == 36, "the pause itself is not speech"


def test_overlapped_frames_are_not_alone() -> None:
    one, other = pieces_of(segmentation([(0, 0, 3), (1, 2, 5)]))
    assert (one.alone.tolist(), other.alone.tolist()) == (list(range(40)), list(range(60, 100)))


def test_voice_of_a_moment_is_noise() -> None:
    assert list(pieces_of(segmentation([(0, 1, 1.05)]))) == []
    assert len(list(pieces_of(segmentation([(0, 1, 1.1)])))) == 1


def test_moments_in_several_windows_count_once() -> None:
    windows = segmentation([(0, 0, 4), (1, 3, 5)], [(0, 1, 3)]).windows
    overlapping = Segmentation(0.0, STEP, (windows[0], LocalSpeakers(40, windows[0].active), windows[1]))
    found = seconds_alone(overlapping, list(pieces_of(overlapping)))
    assert found.tolist() == pytest.approx([2.5, 0.5, 1.5, 0.5, 1.5])


def embedded(segments: Segmentation, audio: Audio, encoder: ScriptedEncoder) -> list[int]:
    """The number of the loudest band of every piece."""
    shares: list[float] = []
    found = embed_pieces(encoder, audio, segments, list(pieces_of(segments)), shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return [int(row.argmax()) for row in found]


def test_voice_is_embedded_from_what_it_says_alone() -> None:
    audio = Audio(np.concatenate([tone(2, 150.0), tone(1, 950.0), tone(2, 450.0)]))
    assert embedded(segmentation([(0, 0, 3), (1, 2, 5)]), audio, ScriptedEncoder()) == [1, 4]


def test_voice_that_is_never_alone_is_embedded_with_the_others() -> None:
    audio = Audio(np.concatenate([tone(2, 150.0), tone(1, 950.0), tone(2, 150.0)]))
    assert embedded(segmentation([(0, 0, 5), (1, 2, 3)]), audio, ScriptedEncoder()) == [1, 9]


def test_clip_is_cut_in_samples_of_the_recording() -> None:
    """The audio starts at second 10, and the first frame 0.1 s later."""
    audio = Audio(np.concatenate([tone(1.1, 150.0), tone(3.9, 450.0)]), 10.0)
    assert embedded(segmentation([(0, 0, 1), (1, 1, 4)], start=10.1), audio, ScriptedEncoder()) == [1, 4]


def test_short_piece_is_widened_and_stays_in_the_recording() -> None:
    encoder = LengthEncoder()
    embedded(segmentation([(0, 0, 0.1), (0, 2, 2.1), (0, 4.9, 5)]), Audio(tone(5, 150.0)), encoder)
    assert encoder.lengths == [[4800 - 1600, 4800 - 1600], [6400]]


def test_clips_of_one_length_are_embedded_together_and_memory_is_released() -> None:
    encoder, ReleasableAudio.released = LengthEncoder(), 0
    segments = segmentation(*([(0, 0.0, 1.0), (1, 1.0, 2.0), (2, 2.0, 4.0)] for _ in range(100)))
    embedded(segments, ReleasableAudio(tone(500, 150.0)), encoder)
    assert all(len(set(lengths)) == 1 for lengths in encoder.lengths)
    assert len(encoder.lengths) == 2 * ReleasableAudio.released == 2 * -(-300 // BATCH)
    assert max(max(lengths) for lengths in encoder.lengths) == 2 * SAMPLE_RATE

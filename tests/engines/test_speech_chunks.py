from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared.domain.span import span
from shared.engines.speech_chunks import chunk_speech
from shared.ports.media import Audio
from tests.fakes import silent, tone
from tests.scaling import LIMIT, growth


def test_close_spans_are_joined_up_to_the_maximum_length() -> None:
    audio = Audio(tone(30))
    speech = [span(0, 4), span(4.2, 8), span(8.1, 12), span(14, 16)]
    assert list(chunk_speech(audio, speech, max_seconds=10, bridge=0.3)) == [span(0, 8), span(8.1, 12), span(14, 16)]
    assert list(chunk_speech(audio, [], max_seconds=10, bridge=0.3)) == []


def test_long_span_is_cut_at_the_quietest_point() -> None:
    audio = Audio(np.concatenate([tone(7), silent(0.2), tone(12.8)]))
    first, second, third = chunk_speech(audio, [span(0, 20)], max_seconds=10, bridge=0.3)
    assert 7.0 < first.end < 7.2
    assert first.end == second.start
    assert second.end == third.start
    assert all(piece.duration <= 10 for piece in (first, second, third))


def test_long_span_beyond_the_samples_is_cut() -> None:
    assert all(
        piece.duration <= 10 for piece in chunk_speech(Audio(silent(0)), [span(0, 25)], max_seconds=10, bridge=0.3)
    )


def test_long_run_of_speech_is_cut_at_its_longest_late_pause() -> None:
    audio = Audio(tone(40))
    speech = [span(0, 2), span(4, 7), span(8, 9), span(9.2, 14), span(14.1, 18.5)]
    assert list(chunk_speech(audio, speech, max_seconds=10, bridge=3)) == [span(0, 7), span(8, 14), span(14.1, 18.5)]


def test_speech_is_cut_only_if_there_is_no_pause() -> None:
    audio = Audio(np.concatenate([tone(9), silent(0.3), tone(10.7)]))
    first, second, third = chunk_speech(audio, [span(0, 2), span(2.5, 19)], max_seconds=10, bridge=1)
    assert first == span(0, 2)
    assert 9 < second.end < 9.3
    assert third == span(second.end, 19)


def test_short_dip_inside_a_word_is_not_the_quietest_point() -> None:
    samples = tone(20)
    samples[8 * 16_000 : 8 * 16_000 + 640] = 0  # 40 ms
    samples[9 * 16_000 : 9 * 16_000 + 4_800] *= 0.05
    first, *_ = chunk_speech(Audio(samples), [span(0, 20)], max_seconds=10, bridge=1)
    assert 9.1 < first.end < 9.2


def test_one_unbroken_stretch_of_speech_takes_linear_time() -> None:
    def prepare(spans: int) -> Callable[[], object]:
        speech = [span(1.2 * number, 1.2 * number + 0.9) for number in range(spans)]
        return lambda: list(chunk_speech(Audio(silent(0)), speech, max_seconds=10, bridge=1))

    assert growth(prepare, 400) < LIMIT

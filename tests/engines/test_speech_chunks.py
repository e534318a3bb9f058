from __future__ import annotations

import numpy as np

from shared.domain.span import span
from shared.engines.speech_chunks import chunk_speech
from shared.ports.media import Audio
from tests.fakes import silent, tone


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

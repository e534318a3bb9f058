from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.span import span, union
from shared.domain.speech import Word
from shared.engines.word_times import tighten
from tests.fakes import word
from tests.scaling import LIMIT, growth


def times(words: list[Word]) -> list[tuple[str, float, float]]:
    return [(one.text, one.start, one.end) for one in words]


def test_word_does_not_last_over_a_pause() -> None:
    speech = [span(0, 2), span(4, 6)]
    words = [word("before", 1.5, 3.8), word("after", 3.0, 4.6), word("again", 4.6, 6.5)]
    assert times(tighten(words, speech, span(0, 7))) == [
        ("before", 1.5, 1.9), ("after", 4.1, 4.6), ("again", 4.6, 5.9),
    ]  # fmt: skip


def test_word_in_silence_moves_to_the_nearest_speech() -> None:
    speech = [span(0, 2), span(4, 16)]
    (late, early) = tighten([word("late", 2.1, 2.5), word("early", 3.6, 3.9)], speech, span(0, 16))
    assert (late.end, early.start) == (1.92, 4.1)


def test_stretched_word_is_shortened_and_an_empty_one_has_a_duration() -> None:
    words = [word("no", 0, 3), word("a", 3, 3), word("b", 3, 3), word("day", 3, 3.4)]
    assert times(tighten(words, [span(0, 5)], span(0, 5))) == [
        ("no", 0.1, 0.94), ("a", 3, 3.02), ("b", 3.02, 3.04), ("day", 3.04, 3.4),
    ]  # fmt: skip


def test_words_after_the_end_are_moved_inside() -> None:
    words = [word("a", 4.99, 5), word("b", 5, 5), word("c", 5, 5)]
    assert times(tighten(words, [span(0, 5)], span(0, 5))) == [("a", 4.9, 4.92), ("b", 4.92, 4.94), ("c", 4.94, 4.96)]
    assert times(tighten(words, [span(0, 9)], span(0, 5))) == [("a", 4.94, 4.96), ("b", 4.96, 4.98), ("c", 4.98, 5)]


def test_last_word_before_a_pause_lasts_until_the_end_of_speech() -> None:
    speech = [span(0, 2), span(4, 6)]
    words = [word("good", 0.2, 0.9), word("day", 0.9, 1.6), word("bye", 4.1, 5.2)]
    assert times(tighten(words, speech, span(0, 7))) == [("good", 0.2, 0.9), ("day", 0.9, 1.9), ("bye", 4.1, 5.06)]


TIMES = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=60)


@given(TIMES, st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 9)), max_size=5), st.floats(0.25, 20))
def test_times_ascend_with_a_duration_within_the_window(
    raw: list[tuple[float, float]], spoken: list[tuple[float, float]], seconds: float
) -> None:
    window = span(5, 5 + seconds)
    words = [word("hello", start, start + length) for start, length in sorted(raw)]
    made = tighten(words, union(span(start, start + length) for start, length in spoken), window)
    assert [one.text for one in made] == [one.text for one in words]
    assert all(one.end > one.start for one in made)
    assert all(one.end <= two.start for one, two in pairwise(made))
    assert all(one.start >= window.start - 0.001 and one.end <= window.end + 0.001 for one in made)


def test_time_grows_linearly_with_the_number_of_windows() -> None:
    def prepare(size: int) -> Callable[[], object]:
        speech = [span(n * 2, n * 2 + 1) for n in range(size)]
        return lambda: [tighten([word("word", one.start, one.end)], speech, one) for one in speech]

    assert growth(prepare, 100) < LIMIT

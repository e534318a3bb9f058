"""Words of a corrected text keep or share times."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.span import Span
from shared.domain.speech import Word
from shared.domain.word_alignment import align_words, word_positions
from tests.fakes import utterance
from tests.scaling import LIMIT, growth


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(text=one, start=n + 1.0, end=n + 2.0, confidence=0.5) for n, one in enumerate(texts))


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        ("a b c", "a b c", [(1, 2), (2, 3), (3, 4)]),
        ("a b c", "a c", [(1, 2), (3, 4)]),
        ("a b c", "x y", [(1, 2.5), (2.5, 4)]),
        ("a b", "a b x y", [(1, 2), (2, 3), (3, 4), (4, 5)]),  # up to the end of the utterance
        ("a b", "x a b", [(0, 1), (1, 2), (2, 3)]),  # from the start of the utterance
        ("a b", "a x b", [(1, 2), (2, 2), (2, 3)]),  # no time between the words
        ("a", "", []),
        ("", "x", []),
    ],
)
def test_unchanged_words_keep_their_times(before: str, after: str, times: list[tuple[float, float]]) -> None:
    within = utterance(0, 0.0, 5.0).span
    made = align_words(words(*before.split()), after, within)
    assert [(word.start, word.end) for word in made] == times
    assert [word.text for word in made] == (after.split() if before else [])


def test_words_of_a_long_utterance_are_aligned_in_bounded_time() -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = words(*["a"] * size)
        return lambda: align_words(given, "a b " * (size // 2), Span(start=0, end=size + 2))

    assert growth(prepare, 500) < LIMIT


def test_unchanged_words_around_a_long_change_keep_their_times() -> None:
    given = words("first", *["old"] * 300, "last")
    made = align_words(given, " ".join(["first", *["new"] * 500, "last"]), Span(start=0, end=400))
    assert (made[0], made[-1]) == (given[0], given[-1])
    assert [one.text for one in made[1:-1]] == ["new"] * 500
    assert (made[1].start, made[-2].end) == (given[1].start, given[-2].end)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_aligned_words_are_the_new_text_in_order_of_time(before: list[str], after: list[str]) -> None:
    given = words(*before)
    made = align_words(given, " ".join(after), Span(start=0, end=20))
    assert [one.text for one in made] == (after if before else [])
    times = [time for one in made for time in (one.start, one.end)]
    assert times == sorted(times)
    assert {one for one in made if one.confidence is not None} <= set(given)


def test_positions_of_words_in_a_text() -> None:
    assert word_positions("a b a", words("a", "a")) == [0, 4]
    assert word_positions("会議を", words("会議", "を")) == [0, 2]
    assert word_positions("a", words("b")) is None

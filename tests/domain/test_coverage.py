from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.coverage import LONGEST_GAP, speech_without_words
from shared.domain.span import Span, span, union
from tests.fakes import word


def test_long_stretches_of_speech_without_words_are_found() -> None:
    speech = [span(0, 4), span(5, 15), span(20, 23), span(30, 31)]
    words = [word("a", 0, 1), word("b", 2, 4), word("c", 7, 8), word("d", 7.5, 12), word("e", 14, 21)]
    assert speech_without_words(speech, words) == (span(5, 7), span(12, 14), span(21, 23))


def test_silence_and_short_pauses_are_not_reported() -> None:
    assert speech_without_words([], [word("a", 0, 1)]) == ()
    assert speech_without_words([span(0, LONGEST_GAP)], []) == ()
    assert speech_without_words([span(0, 2), span(9, 11)], [word("a", 0.5, 1), word("b", 10, 11)]) == ()


SPANS = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40)), max_size=12).map(
    lambda pairs: [span(start / 4, (start + length) / 4) for start, length in pairs]
)


@given(SPANS, SPANS)
def test_gaps_are_exactly_the_long_uncovered_stretches(found: list[Span], words: list[Span]) -> None:
    """Compared with a grid of quarter seconds."""
    speech = union(found)
    gaps = speech_without_words(speech, words)
    for cell in range(240):
        middle = cell / 4 + 0.125
        inside = any(gap.start < middle < gap.end for gap in gaps)
        spoken = any(one.start < middle < one.end for one in words)
        heard = any(one.start < middle < one.end for one in speech)
        assert not inside or (heard and not spoken)
        if heard and not spoken and not inside:
            assert sum(_open(speech, words, cell)) / 4 <= LONGEST_GAP


def _open(speech: tuple[Span, ...], words: list[Span], cell: int) -> list[bool]:
    """The uncovered cells around this one that belong to the same span."""
    own = next(one for one in speech if one.start < cell / 4 + 0.125 < one.end)

    def free(number: int) -> bool:
        middle = number / 4 + 0.125
        return own.start < middle < own.end and not any(one.start < middle < one.end for one in words)

    first, last = cell, cell
    while free(first - 1):
        first -= 1
    while free(last + 1):
        last += 1
    return [True] * (last - first + 1)

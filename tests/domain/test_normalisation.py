from __future__ import annotations

import unicodedata
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.normalisation import MAX_MARKS, nfc
from tests.scaling import LIMIT, growth


@given(st.text(max_size=60))
def test_ordinary_text_is_normalised_as_usual(text: str) -> None:
    marks = "".join("m" if unicodedata.combining(character) else " " for character in text)
    if "m" * (MAX_MARKS + 1) not in marks:
        assert nfc(text) == unicodedata.normalize("NFC", text)


def test_further_marks_on_a_letter_are_removed() -> None:
    assert len(nfc("x" + "\u0327" * 500 + "y")) == MAX_MARKS + 2
    greek = "αβγδεζηθικλμνξοπρστυφχψω" * 3
    assert nfc(greek) == greek


def test_marks_take_linear_time() -> None:
    def prepare(size: int) -> Callable[[], object]:
        text = "a" + "\u0300\u0327" * size
        return lambda: nfc(text)

    assert growth(prepare, 2_000) < LIMIT

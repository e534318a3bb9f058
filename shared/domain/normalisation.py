"""Unicode normalisation in linear time."""

from __future__ import annotations

import re
import unicodedata

MAX_MARKS = 30  # combining marks on one letter, as in the stream-safe text format of Unicode (UAX 15)
# Only characters from U+0300 on combine.
_MAYBE_MARKS = re.compile(rf"[^\x00-\u02ff]{{{MAX_MARKS + 1},}}")


def nfc(text: str) -> str:
    """The text in NFC, without further marks on a letter that has many: sorting these takes quadratic time."""
    return unicodedata.normalize("NFC", _MAYBE_MARKS.sub(_without_excess, text))


def _without_excess(run: re.Match[str]) -> str:
    marks = 0
    characters: list[str] = []
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            characters.append(character)
    return "".join(characters)

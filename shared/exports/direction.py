"""The direction of text in documents that are laid out here: Hebrew and Arabic are written from right to left."""

from __future__ import annotations

import re
import unicodedata

from shared.exports.captions import plain

# Marks that change the direction of the text after them; a name with one would turn a whole line around.
_OVERRIDES = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
RIGHT_TO_LEFT = ("R", "AL")


def document_text(text: str) -> str:
    return _OVERRIDES.sub("", plain(text))


def starts_right(text: str) -> bool:
    """Whether the first letter belongs to a script that is written from right to left."""
    for sign in text:
        direction = unicodedata.bidirectional(sign)
        if direction == "L":
            return False
        if direction in RIGHT_TO_LEFT:
            return True
    return False


def has_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(sign) in RIGHT_TO_LEFT for sign in text)

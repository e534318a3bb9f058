"""Sanitizes a client's file name, which is shown as a label in the transcript and never used as a path."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 200


def safe_file_label(name: str | None, default: str) -> str:
    """The last part of what looks like a path, without control and formatting characters."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name or ""))[-1]
    plain = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C").strip(" .")
    return plain[:MAX_LENGTH] or default

"""Recognises a transcript from outside by its first bytes."""

from __future__ import annotations

import re
from enum import StrEnum

HEAD = 4096  # bytes that decide
UTF16 = (b"\xff\xfe", b"\xfe\xff")
NAME = re.compile(r"^\s*([^\s:<>][^:<>\n]{0,59}?)\s*:\s+(?=\S)")  # at the start of a line `Name: text`


class TranscriptFormat(StrEnum):
    TIMED = "timed"  # WebVTT, SRT or our JSON
    LINES = "lines"  # `Name: text`, without times


def transcript_format(head: bytes) -> TranscriptFormat | None:
    """None if it is no transcript."""
    utf16 = head.startswith(UTF16)
    if b"\0" in head and not utf16:
        return None
    text = head.decode("utf-16" if utf16 else "utf-8", errors="ignore").lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "WEBVTT")) or "-->" in text:
        return TranscriptFormat.TIMED
    named = NAME.match(text)
    return TranscriptFormat.LINES if named and may_be_a_name(named[1]) else None


def may_be_a_name(prefix: str) -> bool:
    """Whether it has at most five words, and no lower-case words except short particles such as "van"."""
    parts = prefix.split()
    lower = [part for part in parts if part[0].islower()]
    return len(parts) <= 5 and len(lower) < len(parts) and all(len(part) <= 3 for part in lower)

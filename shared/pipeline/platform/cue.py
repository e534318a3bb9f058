"""A cue of a platform's transcript: some words of one speaker between two times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.speech import Word

MAX_BYTES = 20 * 2**20
CLOCK = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d)[.,](\d{1,3})"
NAME = re.compile(r"^\s*([^\s:<>][^:<>\n]{0,59}?)\s*:\s+(?=\S)")
HINT = "Give the WebVTT or SRT file as the platform wrote it, or a transcript of ours as JSON."


class Cue(Span):
    """`words` is filled where the file tells the time of each word; otherwise `text` is aligned later."""

    speaker: str | None = None
    text: str
    words: tuple[Word, ...] = ()


def decode_text(content: bytes) -> str:
    """The file's text without its byte-order mark, with one kind of line end and no control characters."""
    if len(content) > MAX_BYTES:
        raise InvalidTranscript(f"The transcript is larger than {MAX_BYTES // 2**20} MiB.", hint=HINT)
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTranscript("The transcript is not text in UTF-8.", hint=HINT) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text)


def seconds(match: Sequence[str | None]) -> float:
    """Hours, minutes, seconds and thousandths, as CLOCK finds them."""
    hours, minutes, whole, thousandths = match
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0) + float(f"0.{thousandths}")


def with_names(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """`Name: text` split into both, where the file as a whole writes its names so.

    An ordinary sentence may hold a colon, too ("The plan: go"). So a prefix is a name only if it looks like one and
    most cues have one, or if it comes back.
    """
    if any(cue.speaker for cue in cues):
        return tuple(cues)
    found = [NAME.match(cue.text) for cue in cues]
    counts = Counter(match.group(1) for match in found if match and _looks_like_a_name(match.group(1)))
    everywhere = sum(counts.values()) >= max(1, 0.6 * len(cues))
    named: list[Cue] = []
    speaker: str | None = None
    for one, match in zip(cues, found, strict=True):
        name = match.group(1) if match else None
        if match and name and counts[name] and (everywhere or counts[name] > 1):
            speaker = name
            named.append(one.model_copy(update={"speaker": speaker, "text": one.text[match.end() :].strip()}))
        else:  # a cue without a name goes on with whoever spoke before
            named.append(one.model_copy(update={"speaker": speaker}))
    return tuple(named)


def _looks_like_a_name(prefix: str) -> bool:
    """At most five words, none of them a plain lower-case word apart from particles such as "van"."""
    parts = prefix.split()
    lower = [part for part in parts if part[0].islower()]
    return len(parts) <= 5 and len(lower) < len(parts) and all(len(part) <= 3 for part in lower)

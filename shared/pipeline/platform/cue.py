"""Cues of a platform transcript: text of one speaker with start and end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.domain.transcript_format import NAME, may_be_a_name

MAX_BYTES = 20 * 2**20
CLOCK = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]\d)[.,](\d{1,3})"
HINT = "Give the unmodified WebVTT or SRT file of the platform, or an Undertone transcript as JSON."


class Cue(Span):
    """A cue; `words` is set if the file has word times, otherwise `text` is aligned later."""

    speaker: str | None = None
    text: str
    words: tuple[Word, ...] = ()


def decode_text(content: bytes) -> str:
    """The text of the file without byte-order mark and control characters, with uniform line ends."""
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
    """The time in seconds from a match of CLOCK: hours, minutes, seconds and fraction."""
    hours, minutes, whole, thousandths = match
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(whole or 0) + float(f"0.{thousandths}")


def with_names(cues: Sequence[Cue]) -> tuple[Cue, ...]:
    """The cues with `Name: text` split into speaker and text, if the file uses this format.

    An ordinary sentence may contain a colon, too ("The plan: go"). So a prefix is a name only if it has the form of a
    name and most cues have one, or if it occurs again.
    """
    if any(cue.speaker for cue in cues):
        return tuple(cues)
    found = [NAME.match(cue.text) for cue in cues]
    counts = Counter(match.group(1) for match in found if match and may_be_a_name(match.group(1)))
    everywhere = sum(counts.values()) >= max(1, 0.6 * len(cues))
    named: list[Cue] = []
    speaker: str | None = None
    for one, match in zip(cues, found, strict=True):
        name = match.group(1) if match else None
        if match and name and counts[name] and (everywhere or counts[name] > 1):
            speaker = name
            named.append(one.model_copy(update={"speaker": speaker, "text": one.text[match.end() :].strip()}))
        else:  # a cue without a name continues the previous speaker
            named.append(one.model_copy(update={"speaker": speaker}))
    return tuple(named)

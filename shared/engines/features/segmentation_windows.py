"""The windows of a recording that a segmentation network runs on."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.span import Span
from shared.ports.media import SAMPLE_RATE, Audio


def windows_with_speech(audio: Audio, speech: Sequence[Span], *, length: int, hop: int, step: int) -> list[int]:
    """The first samples, multiples of the step, of overlapping windows; the last window ends with the recording."""
    last = max(0, len(audio.samples) - length) // step * step
    found: list[int] = []
    upcoming = 0
    for start in [*range(0, last, hop), last]:
        begin, end = (audio.start + at / SAMPLE_RATE for at in (start, start + length))
        while upcoming < len(speech) and speech[upcoming].end <= begin:
            upcoming += 1
        if upcoming < len(speech) and speech[upcoming].start < end:
            found.append(start)
    return found

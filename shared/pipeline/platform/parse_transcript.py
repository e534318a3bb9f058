"""Parses platform transcripts; the format is detected by content, never by file name."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from pydantic import ValidationError

from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.domain.transcript import Transcript
from shared.domain.transcript_format import HEAD, TranscriptFormat, transcript_format
from shared.pipeline.platform.cue import HINT, Cue, decode_text
from shared.pipeline.platform.plain_lines import read_plain_lines
from shared.pipeline.platform.subtitles import read_subtitles


def read_platform_transcript(content: bytes, *, text_only: bool = False) -> tuple[Cue, ...]:
    """The cues; only a transcript without a recording may be without times."""
    text = decode_text(content)
    if text.lstrip().startswith("{"):
        cues = _read_document(text)
    elif "-->" in text:
        cues = read_subtitles(text)
    elif text_only and has_plain_lines(content):
        cues = read_plain_lines(text)
    else:
        raise InvalidTranscript("The transcript is neither WebVTT nor SRT nor Undertone JSON.", hint=HINT)
    if not cues:
        raise InvalidTranscript("The transcript has no words.", hint=HINT)
    return tuple(sorted(cues, key=lambda cue: cue.start))


def has_plain_lines(content: bytes) -> bool:
    return transcript_format(content[:HEAD]) is TranscriptFormat.LINES


def names_speakers(cues: Sequence[Cue]) -> bool:
    """Whether the transcript names speakers, so that diarization by voice is not needed."""
    return any(cue.speaker for cue in cues)


def _read_document(text: str) -> tuple[Cue, ...]:
    try:
        transcript = Transcript.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its beginning"
        reason = first["msg"].removeprefix("Value error, ")
        raise InvalidTranscript(
            f"The JSON is not an Undertone transcript: {reason} (at {where}).", hint=HINT
        ) from error
    names = transcript.names
    return tuple(
        Cue(
            start=utterance.start,
            end=utterance.end,
            speaker=names[utterance.speaker],
            text=utterance.text,
            words=tuple(word.model_copy(update={"speaker": None}) for word in utterance.words),
        )
        for utterance in transcript.utterances
        if utterance.text.strip()
    )


class SpeechClock:
    """Converts between times of the recording and seconds of speech before them, in logarithmic time."""

    def __init__(self, speech: Sequence[Span]) -> None:  # disjoint, in order
        self._speech = speech
        self._starts = [span.start for span in speech]
        self._totals = list(accumulate((span.duration for span in speech), initial=0.0))

    def elapsed(self, time: float) -> float:
        """The seconds of speech before this time."""
        number = bisect_right(self._starts, time) - 1
        return self._totals[number] + self._speech[number].overlap(Span(start=0, end=time)) if number >= 0 else 0.0

    def time(self, elapsed: float, *, ending: bool = False) -> float:
        """The time after so many seconds of speech; at a pause, a word starts after it and ends before it."""
        number = bisect_left(self._totals, elapsed - 1e-6) if ending else bisect_right(self._totals, elapsed + 1e-6)
        number = max(0, min(number, len(self._speech)) - 1)
        span = self._speech[number]
        return max(span.start, min(span.end, span.start + elapsed - self._totals[number]))


def words_of(cue: Cue, speech: SpeechClock) -> list[Word]:
    """The cue's words with times: from the file, or distributed over the speech inside the cue by word length."""
    if cue.words:
        return [word.model_copy(update={"speaker": cue.speaker}) for word in cue.words]
    begin, length = speech.elapsed(cue.start), speech.elapsed(cue.end) - speech.elapsed(cue.start)
    if not length:
        speech, begin, length = SpeechClock([cue.span]), 0.0, cue.duration
    tokens = cue.text.split()
    shares = list(accumulate((len(token) + 1 for token in tokens), initial=0))
    words: list[Word] = []
    for token, first, last in zip(tokens, shares, shares[1:], strict=False):
        start = min(speech.time(begin + length * first / shares[-1]), cue.end)
        end = min(speech.time(begin + length * last / shares[-1], ending=True), cue.end)
        words.append(Word(text=token, start=round(start, 3), end=round(max(start, end), 3), speaker=cue.speaker))
    return words

"""Parses platform transcripts; the format is detected by content, never by file name."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.domain.transcript import SCHEMA_VERSION, Transcript
from shared.pipeline.platform.cue import HINT, Cue, decode_text
from shared.pipeline.platform.subtitles import read_subtitles


def read_platform_transcript(content: bytes) -> tuple[Cue, ...]:
    text = decode_text(content)
    if text.lstrip().startswith("{"):
        cues = _read_document(text)
    elif "-->" in text:
        cues = read_subtitles(text)
    else:
        raise InvalidTranscript("The transcript is neither WebVTT nor SRT nor Undertone JSON.", hint=HINT)
    if not cues:
        raise InvalidTranscript("The transcript has no words.", hint=HINT)
    return tuple(sorted(cues, key=lambda cue: cue.start))


def names_speakers(cues: Sequence[Cue]) -> bool:
    """Whether the transcript names speakers, so that diarization by voice is not needed."""
    return any(cue.speaker for cue in cues)


def _read_document(text: str) -> tuple[Cue, ...]:
    try:
        transcript = Transcript.model_validate_json(text)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InvalidTranscript(
            f"The JSON is not an Undertone transcript: see {where or 'its beginning'}.", hint=HINT
        ) from error
    if transcript.schema_version != SCHEMA_VERSION:
        raise InvalidTranscript(
            f"The transcript has schema version {transcript.schema_version}; this is version {SCHEMA_VERSION}."
        )
    return tuple(
        Cue(
            start=utterance.start,
            end=utterance.end,
            speaker=transcript.name_of(utterance.speaker),
            text=utterance.text,
            words=tuple(word.model_copy(update={"speaker": None}) for word in utterance.words),
        )
        for utterance in transcript.utterances
        if utterance.text
    )


def words_of(cue: Cue, speech: Sequence[Span]) -> list[Word]:
    """The cue's words with times: from the file, or distributed over the speech inside the cue by word length."""
    if cue.words:
        return [word.model_copy(update={"speaker": cue.speaker}) for word in cue.words]
    tokens = cue.text.split()
    spoken = [part for span in speech if (part := span.clipped(cue.span))] or [cue.span]
    length = sum(span.duration for span in spoken)
    weights = [len(token) + 1 for token in tokens]
    step = length / sum(weights)
    words: list[Word] = []
    elapsed = 0.0
    for token, weight in zip(tokens, weights, strict=True):
        start, end = _time_at(spoken, elapsed), _time_at(spoken, elapsed + weight * step, ending=True)
        words.append(Word(text=token, start=round(start, 3), end=round(max(start, end), 3), speaker=cue.speaker))
        elapsed += weight * step
    return words


def _time_at(spoken: Sequence[Span], elapsed: float, *, ending: bool = False) -> float:
    """The time in the recording after `elapsed` seconds of speech; the end of a word stays before a pause."""
    *earlier, last = spoken
    for span in earlier:
        if elapsed < span.duration or (ending and elapsed <= span.duration + 1e-6):
            return span.start + elapsed
        elapsed -= span.duration
    return min(last.end, last.start + elapsed)

"""Summary metrics of a meeting: talk time and perceived emotion over time; speakers are not ranked or graded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from shared.domain.emotion import EMOTIONS, Emotion, EmotionReading, Sentiment
from shared.domain.span import Span
from shared.domain.speech import Utterance
from shared.domain.transcript import Disclosure, Speaker, Transcript
from shared.domain.value import Value

WINDOW = 60.0  # seconds
MAX_WINDOWS = 20
OVERLAP = 0.2  # seconds of overlap; a shorter one is an ordinary change of speaker
TURNING = 0.4  # of valence, which runs from -1 to 1

Distribution = dict[Emotion, float]


class EmotionPoint(Span):
    """Perceived emotion of a speaker in one time window; null if no utterance in it has a reading."""

    perceived: Distribution | None


class ValencePoint(Span):
    """Perceived valence in one time window, from -1 (unpleasant) to 1 (pleasant); null without readings."""

    perceived_valence: float | None = Field(ge=-1, le=1)


class TurningPoint(Value):
    """A large change of perceived valence from one time window to the next."""

    at: float
    utterance: int = Field(description="The first utterance of the new time window")
    before: float
    after: float


class SpeakerSummary(Value):
    speaker: str
    name: str
    talk_seconds: float
    share: float = Field(ge=0, le=1, description="Share of the sum of all speakers' talk time")
    turns: int = Field(description="Number of turns; consecutive utterances of one speaker are one turn")
    interruptions: int = Field(description="How often the speaker started while another speaker was speaking")
    words: int
    perceived: Distribution | None = Field(description="The mean of the utterances' scores, weighted by duration")
    course: tuple[EmotionPoint, ...] | None


class Summary(Value):
    """Summary of a meeting; speakers are in the order of the transcript."""

    job_id: str
    duration: float
    speakers: tuple[SpeakerSummary, ...]
    valence: tuple[ValencePoint, ...] | None
    turning_points: tuple[TurningPoint, ...] | None
    disclosure: Disclosure


def summarize(transcript: Transcript, *, emotion: bool) -> Summary:
    """Compute the summary; `emotion=False` omits everything derived from readings."""
    utterances = sorted(transcript.utterances, key=lambda one: (one.start, one.index))
    duration = max([transcript.recording.duration, *(one.end for one in utterances)])
    whole = Span(start=0, end=duration)
    windows = tuple(_windows(duration)) if emotion else ()
    valence = tuple(_valence(utterances, windows))
    talked = sum(one.duration for one in utterances)
    return Summary(
        job_id=transcript.job_id,
        duration=round(duration, 3),
        speakers=tuple(_speaker(one, utterances, whole, windows, talked, emotion) for one in transcript.speakers),
        valence=valence if emotion else None,
        turning_points=tuple(_turning_points(valence, utterances)) if emotion else None,
        disclosure=transcript.disclosure,
    )


def render_summary(transcript: Transcript, *, emotion: bool) -> bytes:
    return (summarize(transcript, emotion=emotion).model_dump_json(indent=2) + "\n").encode()


def _windows(duration: float) -> Iterator[Span]:
    number = min(MAX_WINDOWS, max(1, math.ceil(duration / WINDOW)))
    for index in range(number):
        yield Span(start=round(duration * index / number, 3), end=round(duration * (index + 1) / number, 3))


def _speaker(
    speaker: Speaker,
    utterances: Sequence[Utterance],
    whole: Span,
    windows: Sequence[Span],
    talked: float,
    emotion: bool,
) -> SpeakerSummary:
    own = [one for one in utterances if one.speaker == speaker.id]
    seconds = sum(one.duration for one in own)
    return SpeakerSummary(
        speaker=speaker.id,
        name=speaker.name,
        talk_seconds=round(seconds, 3),
        share=round(seconds / talked, 4) if talked else 0.0,
        turns=_turns(utterances, speaker.id),
        interruptions=_interruptions(utterances, speaker.id),
        words=sum(len(one.words) or len(one.text.split()) for one in own),
        perceived=_mean(_read(own, whole)) if emotion else None,
        course=tuple(
            EmotionPoint(start=window.start, end=window.end, perceived=_mean(_read(own, window))) for window in windows
        )
        if emotion
        else None,
    )


def _turns(utterances: Sequence[Utterance], speaker: str) -> int:
    before = None
    turns = 0
    for one in utterances:
        turns += one.speaker == speaker != before
        before = one.speaker
    return turns


def _interruptions(utterances: Sequence[Utterance], speaker: str) -> int:
    """Each utterance counts once, however many others it overlaps."""
    count = 0
    longest: Utterance | None = None  # the other speakers' utterance so far that ends last
    for one in utterances:
        if one.speaker != speaker:
            longest = one if longest is None or one.end > longest.end else longest
        elif longest is not None and longest.start < one.start and one.overlap(longest) >= OVERLAP:
            count += 1
    return count


def _read(utterances: Iterable[Utterance], within: Span) -> Iterator[tuple[float, EmotionReading]]:
    """The readings in a time window, with their seconds of overlap with it."""
    for one in utterances:
        seconds = one.overlap(within)
        if one.emotion is not None and seconds > 0:
            yield seconds, one.emotion


def _mean(weighted: Iterable[tuple[float, EmotionReading]]) -> Distribution | None:
    read = list(weighted)
    total = sum(seconds for seconds, _ in read)
    if not total:
        return None
    return {
        emotion: round(sum(seconds * reading.scores[emotion] for seconds, reading in read) / total, 4)
        for emotion in EMOTIONS
    }


def _valence(utterances: Sequence[Utterance], windows: Sequence[Span]) -> Iterator[ValencePoint]:
    for window in windows:
        read = [(seconds, _valence_of(reading)) for seconds, reading in _read(utterances, window)]
        total = sum(seconds for seconds, _ in read)
        mean = round(sum(seconds * value for seconds, value in read) / total, 4) if total else None
        yield ValencePoint(start=window.start, end=window.end, perceived_valence=mean)


def _valence_of(reading: EmotionReading) -> float:
    """The valence of a reading, or else its positive score minus its negative score."""
    if reading.valence is not None:
        return reading.valence
    scores = reading.sentiment.scores
    return max(-1.0, min(1.0, scores[Sentiment.POSITIVE] - scores[Sentiment.NEGATIVE]))


def _turning_points(course: Sequence[ValencePoint], utterances: Sequence[Utterance]) -> Iterator[TurningPoint]:
    """Time windows without readings are skipped."""
    before: float | None = None
    for point in course:
        after = point.perceived_valence
        if after is None:
            continue
        if before is not None and abs(after - before) >= TURNING:
            first = next(one for one in utterances if one.overlap(point) > 0)
            yield TurningPoint(at=point.start, utterance=first.index, before=before, after=after)
        before = after

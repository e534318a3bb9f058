"""Summary metrics of a meeting: talk time and perceived emotion over time; speakers are not ranked or graded."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pydantic import Field

from shared.domain.emotion import EMOTIONS, Emotion, EmotionReading, Sentiment
from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.transcript import Disclosure, Transcript, joined_turns, talk_seconds
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
    turns: int = Field(description="Number of turns; consecutive turns of one speaker count once")
    interruptions: int = Field(description="How often the speaker started while another speaker was speaking")
    words: int
    perceived: Distribution | None = Field(description="The mean of the utterances' scores, weighted by duration")
    course: tuple[EmotionPoint, ...] | None


class Summary(Value):
    """Summary of a meeting; speakers are in the order of the transcript."""

    job_id: str
    duration: float
    overlap_seconds: float = Field(description="Seconds in which several speakers speak")
    speakers: tuple[SpeakerSummary, ...]
    valence: tuple[ValencePoint, ...] | None
    turning_points: tuple[TurningPoint, ...] | None
    disclosure: Disclosure


def summarize(transcript: Transcript, *, emotion: bool) -> Summary:
    """Compute the summary; `emotion=False` omits everything derived from readings."""
    utterances = sorted(transcript.utterances, key=lambda utterance: (utterance.start, utterance.index))
    turns = sorted(transcript.turns, key=lambda turn: turn.start)
    duration = max([transcript.recording.duration, *(span.end for span in (*utterances, *turns))])
    spoken: defaultdict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        spoken[utterance.speaker].append(utterance)
    whole = Span(start=0, end=duration)
    windows = tuple(_windows(duration)) if emotion else ()
    valence = tuple(_valence(utterances, windows))
    seconds, numbers, interruptions = talk_seconds(turns), _numbers_of_turns(turns), _interruptions(turns)
    talked = sum(seconds.values())
    return Summary(
        job_id=transcript.job_id,
        duration=round(duration, 3),
        overlap_seconds=_overlap(turns),
        speakers=tuple(
            SpeakerSummary(
                speaker=speaker.id,
                name=speaker.name,
                talk_seconds=seconds.get(speaker.id, 0.0),
                share=round(seconds.get(speaker.id, 0.0) / talked, 4) if talked else 0.0,
                turns=numbers[speaker.id],
                interruptions=interruptions[speaker.id],
                words=sum(len(said.words) or len(said.text.split()) for said in spoken[speaker.id]),
                perceived=_mean(_read(spoken[speaker.id], whole)) if emotion else None,
                course=tuple(_course(spoken[speaker.id], windows)) if emotion else None,
            )
            for speaker in transcript.speakers
        ),
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


def _numbers_of_turns(turns: Sequence[SpeakerTurn]) -> Counter[str]:
    speakers = [turn.speaker for turn in turns]
    return Counter(speaker for before, speaker in zip([None, *speakers], speakers, strict=False) if speaker != before)


def _interruptions(turns: Iterable[SpeakerTurn]) -> Counter[str]:
    """Each turn counts once, however many others it overlaps."""
    counts: Counter[str] = Counter()
    longest: SpeakerTurn | None = None  # the turn so far that ends last
    other: SpeakerTurn | None = None  # the same among all other speakers
    for turn in turns:
        against = longest if longest and longest.speaker != turn.speaker else other
        if against and against.start < turn.start and turn.overlap(against) >= OVERLAP:
            counts[turn.speaker] += 1
        if longest is None or turn.end > longest.end:
            other = longest if longest and longest.speaker != turn.speaker else other
            longest = turn
        elif turn.speaker != longest.speaker and (other is None or turn.end > other.end):
            other = turn
    return counts


def _overlap(turns: Iterable[SpeakerTurn]) -> float:
    joined = joined_turns((turn.speaker, turn) for turn in turns)
    spans = [span for own in joined.values() for span in own]
    total, before, speaking = 0.0, 0.0, 0
    for time, step in sorted([(span.start, 1) for span in spans] + [(span.end, -1) for span in spans]):
        total += time - before if speaking > 1 else 0.0
        before, speaking = time, speaking + step
    return round(total, 3)


def _course(utterances: Sequence[Utterance], windows: Iterable[Span]) -> Iterator[EmotionPoint]:
    for window in windows:
        yield EmotionPoint(start=window.start, end=window.end, perceived=_mean(_read(utterances, window)))


def _read(utterances: Iterable[Utterance], within: Span) -> Iterator[tuple[float, EmotionReading]]:
    """The readings in a time window, with their seconds of overlap with it."""
    for utterance in utterances:
        seconds = utterance.overlap(within)
        if utterance.emotion is not None and seconds > 0:
            yield seconds, utterance.emotion


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
            first = next(utterance for utterance in utterances if utterance.overlap(point) > 0)
            yield TurningPoint(at=point.start, utterance=first.index, before=before, after=after)
        before = after

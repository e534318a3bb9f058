"""Manual corrections of a transcript, stored beside it with author, time and old value, and applied in every view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.emotion import (
    EMOTIONS,
    SENTIMENTS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Sentiment,
    SentimentReading,
    SentimentScores,
)
from shared.domain.error import InvalidRequest, NoEmotionReading, NotFound
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript, talk_seconds
from shared.domain.turn_reassignment import reassign_turns
from shared.domain.value import Value
from shared.domain.word_alignment import align_words


class CorrectedField(StrEnum):
    """The fields that can be corrected."""

    NAME = "name"  # of a speaker
    TEXT = "text"  # of an utterance, like the rest
    EMOTION = "emotion"
    SPEAKER = "speaker"


class Change(Value):
    """One changed field with its old and new value; the target is a speaker's id or the index of an utterance."""

    field: CorrectedField
    target: str
    old: str
    new: str


class Correction(Change):
    number: int = Field(
        ge=1, description="Number of the correction within its transcript; corrections apply in this order"
    )
    key_id: str | None = Field(description="Id of the API key that was used; null where no keys are used")
    at: datetime


class UtterancePatch(Value):
    """The fields of an utterance that may be corrected; omitted fields stay unchanged."""

    text: str | None = Field(default=None, min_length=1, max_length=20_000)
    emotion: Emotion | None = None
    speaker: str | None = Field(default=None, min_length=1, max_length=64, description="The id of a speaker")


def rename_changes(transcript: Transcript, speaker: str, name: str) -> tuple[Change, ...]:
    """The changes that give this speaker this name; empty if the speaker already has it."""
    known = next((one for one in transcript.speakers if one.id == speaker), None)
    if known is None:
        raise NotFound("There is no such speaker in this transcript.")
    return _changes(speaker, ((CorrectedField.NAME, known.name, name),))


def patch_changes(transcript: Transcript, index: int, patch: UtterancePatch) -> tuple[Change, ...]:
    """The changes that apply the patch to this utterance."""
    found = utterance_of(transcript, index)
    if patch.speaker is not None and patch.speaker not in {one.id for one in transcript.speakers}:
        known = ", ".join(one.id for one in transcript.speakers)
        raise InvalidRequest("There is no such speaker in this transcript.", hint=f"Its speakers are {known}.")
    if patch.emotion is not None and found.emotion is None:
        raise NoEmotionReading("No emotion was perceived in this utterance, so there is none to correct.")
    label = str(found.emotion.label) if found.emotion else ""
    requested = (
        (CorrectedField.TEXT, found.text, patch.text),
        (CorrectedField.EMOTION, label, patch.emotion and str(patch.emotion)),
        (CorrectedField.SPEAKER, found.speaker, patch.speaker),
    )
    return _changes(str(index), requested)


def _changes(target: str, requested: Iterable[tuple[CorrectedField, str, str | None]]) -> tuple[Change, ...]:
    return tuple(
        Change(field=field, target=target, old=old, new=new)
        for field, old, new in requested
        if new is not None and new != old
    )


def utterance_of(transcript: Transcript, index: int) -> Utterance:
    found = next((one for one in transcript.utterances if one.index == index), None)
    if found is None:
        raise NotFound("There is no such utterance in this transcript.")
    return found


def apply_changes(transcript: Transcript, changes: Sequence[Change]) -> Transcript:
    """The transcript with these changes applied, and a warning that it was corrected manually."""
    if not changes:
        return transcript
    names = {one.id: one.name for one in transcript.speakers}
    utterances = {str(one.index): one for one in transcript.utterances}
    for change in changes:
        if change.field is CorrectedField.NAME:
            names[change.target] = change.new
        else:
            utterances[change.target] = _apply_change(utterances[change.target], change)
    corrected = tuple(utterances.values())
    turns = transcript.turns
    updates: dict[str, dict[str, object]] = {one.id: {"name": names[one.id]} for one in transcript.speakers}
    if any(change.field is CorrectedField.SPEAKER for change in changes):
        turns = reassign_turns(turns, transcript.utterances, corrected)
        talked, counts = talk_seconds(turns), Counter(one.speaker for one in corrected)
        for speaker, update in updates.items():
            update |= {"talk_seconds": talked.get(speaker, 0.0), "utterances": counts[speaker]}
    number = len({(change.field, change.target) for change in changes})
    warning = f"{number} {'value was' if number == 1 else 'values were'} corrected manually."
    return transcript.model_copy(
        update={
            "speakers": tuple(one.model_copy(update=updates[one.id]) for one in transcript.speakers),
            "utterances": corrected,
            "turns": turns,
            "warnings": (*transcript.warnings, warning),
        }
    )


def _apply_change(utterance: Utterance, change: Change) -> Utterance:
    match change.field:
        case CorrectedField.TEXT:
            words = align_words(utterance.words, change.new, utterance.span)
            return utterance.model_copy(update={"text": change.new, "words": words})
        case CorrectedField.EMOTION if utterance.emotion is not None:
            return utterance.model_copy(update={"emotion": human_reading(utterance.emotion, Emotion(change.new))})
        case CorrectedField.SPEAKER:
            words = tuple(
                word if word.speaker is None else word.model_copy(update={"speaker": change.new})
                for word in utterance.words
            )
            return utterance.model_copy(update={"speaker": change.new, "words": words})
    raise ValueError("the correction has no target")


SENTIMENT_OF = {Emotion.JOY: Sentiment.POSITIVE, Emotion.NEUTRAL: Sentiment.NEUTRAL}


def human_reading(reading: EmotionReading, label: Emotion) -> EmotionReading:
    """The reading for a manually chosen label: confidence 1, with the modalities' own readings unchanged.

    The correction does not state an intensity, so valence and arousal are unknown. Surprise may be positive or
    negative, so its sentiment stays as perceived.
    """
    sentiment = reading.sentiment
    if label is not Emotion.SURPRISE:
        mood = SENTIMENT_OF.get(label, Sentiment.NEGATIVE)
        scores = SentimentScores({one: float(one is mood) for one in SENTIMENTS})
        sentiment = SentimentReading(label=mood, scores=scores)
    return EmotionReading(
        label=label,
        confidence=1.0,
        scores=EmotionScores({one: float(one is label) for one in EMOTIONS}),
        sentiment=sentiment,
        modalities=reading.modalities,
    )

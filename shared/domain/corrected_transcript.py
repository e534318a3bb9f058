"""Applies corrections to a published transcript, in linear time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from shared.domain.correction import Change, CorrectedField, Correction
from shared.domain.correction_history import active_corrections
from shared.domain.emotion import Emotion
from shared.domain.human_reading import human_reading
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.transcript import Speaker, Transcript, talk_seconds
from shared.domain.turn_reassignment import reassign_turns
from shared.domain.utterance_division import join_utterances, split_utterance
from shared.domain.word_alignment import align_words

MOVING = frozenset({CorrectedField.SPEAKER, CorrectedField.MERGED})
COUNTED = MOVING | {CorrectedField.SPLIT, CorrectedField.JOINED}


class CorrectedTranscript:
    """A transcript while corrections are applied to it."""

    def __init__(self, published: Transcript) -> None:
        self._published = published
        self._applied: set[tuple[CorrectedField, str]] = set()
        self._merged: dict[str, str] = {}
        self._origins: dict[int, tuple[SpeakerTurn, ...]] = {}  # of changed utterances: who spoke when, as published
        self.names = {one.id: one.name for one in published.speakers}
        self.utterances = {one.index: one for one in published.utterances}
        # Positions of correct words, and new speakers, are written into words only once: many corrections of a long
        # utterance would otherwise copy all of its words each time.
        self.accepted: dict[int, set[int]] = {}

    def resolved(self, speaker: str) -> str:
        """The speaker, or the one with whom it was merged."""
        merged = speaker
        while merged in self._merged:
            merged = self._merged[merged]
        if merged != speaker:
            self._merged[speaker] = merged  # keeps chains of merges short
        return merged

    def apply(self, change: Change) -> None:
        self._applied.add((change.field, change.target))
        match change.field:
            case CorrectedField.NAME:
                self.names[change.target] = change.new
            case CorrectedField.MERGED:
                self._merged[change.target] = change.new
                del self.names[change.target]
            case CorrectedField.SPLIT:
                position, index = map(int, change.new.split())
                first, second = split_utterance(self._with_accepted_words(int(change.target)), position, index)
                origins = self._origins_of(first.index)
                self._set(first, _clipped(origins, first.start, first.end))
                self._set(second, _clipped(origins, second.start, second.end))
            case CorrectedField.JOINED:
                first, second = map(self._with_accepted_words, (int(change.target), int(change.new)))
                origins = self._origins_of(first.index) + self._origins_of(second.index)
                self._set(join_utterances(first, second), origins)
                del self.utterances[second.index]
            case CorrectedField.ACCEPTED:
                index = int(change.target)
                self._origins_of(index)
                self.accepted.setdefault(index, set()).update(map(int, change.new.split()))
            case CorrectedField.SPEAKER:
                utterance = self.utterances[int(change.target)]
                moved = utterance.model_copy(update={"speaker": change.new})
                self._set(moved, self._origins_of(utterance.index))
            case _:
                utterance = self._with_accepted_words(int(change.target))
                self._set(_corrected(utterance, change), self._origins_of(utterance.index))

    def _origins_of(self, index: int) -> tuple[SpeakerTurn, ...]:
        if index not in self._origins:
            one = self.utterances[index]
            self._origins[index] = (SpeakerTurn(start=one.start, end=one.end, speaker=one.speaker),)
        return self._origins[index]

    def _set(self, utterance: Utterance, origins: tuple[SpeakerTurn, ...]) -> None:
        self.utterances[utterance.index] = utterance
        self._origins[utterance.index] = origins

    def _with_accepted_words(self, index: int) -> Utterance:
        utterance, positions = self.utterances[index], self.accepted.pop(index, ())
        if not positions:
            return utterance
        words = tuple(
            word.model_copy(update={"confidence": 1.0}) if position in positions else word
            for position, word in enumerate(utterance.words)
        )
        return utterance.model_copy(update={"words": words})

    def result(self) -> Transcript:
        """The corrected transcript, with a warning that it was corrected manually."""
        if not self._applied:
            return self._published
        fields = {field for field, _ in self._applied}
        for index in tuple(self.accepted):
            self.utterances[index] = self._with_accepted_words(index)
        utterances = tuple(self._with_resolved_speaker(one) for one in self.utterances.values())
        if fields & {CorrectedField.SPLIT, CorrectedField.JOINED}:
            utterances = tuple(sorted(utterances, key=lambda one: (one.start, one.end)))
        turns = self._turns(utterances) if fields & MOVING else self._published.turns
        number = len(self._applied)
        warning = f"{number} {'value was' if number == 1 else 'values were'} corrected manually."
        return self._published.model_copy(
            update={
                "speakers": self._speakers(utterances, turns, fields),
                "utterances": utterances,
                "turns": turns,
                "warnings": (*self._published.warnings, warning),
            }
        )

    def _with_resolved_speaker(self, utterance: Utterance) -> Utterance:
        speaker = self.resolved(utterance.speaker)
        changed = utterance.index in self._origins or speaker != utterance.speaker
        return _spoken_by(utterance, speaker) if changed else utterance

    def _turns(self, utterances: Sequence[Utterance]) -> tuple[SpeakerTurn, ...]:
        before, after = [], []
        for one in utterances:
            for origin in self._origins.get(one.index, ()):
                if self.resolved(origin.speaker) != one.speaker:
                    before.append(origin)
                    after.append(origin.model_copy(update={"speaker": one.speaker}))
        moved = reassign_turns(self._published.turns, before, after)
        return tuple(
            turn.model_copy(update={"speaker": self.resolved(turn.speaker), "confidence": None})
            if turn.speaker in self._merged
            else turn
            for turn in moved
        )

    def _speakers(
        self, utterances: Sequence[Utterance], turns: Sequence[SpeakerTurn], fields: Iterable[CorrectedField]
    ) -> tuple[Speaker, ...]:
        known = {one.id: one for one in self._published.speakers}
        speakers = [
            known[speaker].model_copy(update={"name": name})
            if speaker in known
            else Speaker(id=speaker, name=name, talk_seconds=0.0, utterances=0)
            for speaker, name in self.names.items()
        ]
        if not COUNTED.isdisjoint(fields):
            counts = Counter(one.speaker for one in utterances)
            speakers = [one.model_copy(update={"utterances": counts[one.id]}) for one in speakers]
        if not MOVING.isdisjoint(fields):
            talked = talk_seconds(turns)
            speakers = [one.model_copy(update={"talk_seconds": talked.get(one.id, 0.0)}) for one in speakers]
        return tuple(speakers)


def apply_changes(transcript: Transcript, changes: Iterable[Change]) -> Transcript:
    corrected = CorrectedTranscript(transcript)
    for change in changes:
        corrected.apply(change)
    return corrected.result()


def apply_corrections(transcript: Transcript, corrections: Sequence[Correction]) -> Transcript:
    """The transcript with the corrections that are not undone."""
    return apply_changes(transcript, active_corrections(corrections))


def _clipped(origins: Sequence[SpeakerTurn], start: float, end: float) -> tuple[SpeakerTurn, ...]:
    return tuple(
        one.model_copy(update={"start": max(start, one.start), "end": min(end, one.end)})
        for one in origins
        if max(start, one.start) <= min(end, one.end)
    )


def _corrected(utterance: Utterance, change: Change) -> Utterance:
    match change.field:
        case CorrectedField.TEXT:
            words = align_words(utterance.words, change.new, utterance.span)
            return utterance.model_copy(update={"text": change.new, "words": words})
        case CorrectedField.EMOTION if utterance.emotion is not None:
            return utterance.model_copy(update={"emotion": human_reading(utterance.emotion, Emotion(change.new))})
    raise ValueError("the correction has no target")


def _spoken_by(utterance: Utterance, speaker: str) -> Utterance:
    words = tuple(
        word if word.speaker in (None, speaker) else word.model_copy(update={"speaker": speaker})
        for word in utterance.words
    )
    return utterance.model_copy(update={"speaker": speaker, "words": words})

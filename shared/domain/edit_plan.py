"""Translates the operations of an edit into corrections of the transcript, with the old values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from shared.domain.corrected_transcript import CorrectedTranscript
from shared.domain.correction import MAX_CHARACTERS, MAX_CORRECTIONS, Change, CorrectedField
from shared.domain.edit import (
    MAX_TEXT,
    Join,
    Merge,
    Operation,
    Rename,
    Replace,
    SetEmotion,
    SetSpeaker,
    SetText,
    Split,
)
from shared.domain.error import InvalidRequest, NoEmotionReading, NotFound, TooManyCorrections
from shared.domain.speech import Utterance

MAX_GAP = 30.0  # seconds between utterances that are joined
MAX_DIVISIONS = 100  # splits and joins of one edit; each looks at all utterances
MAX_SPEAKERS = 500
MAX_COMPARED = 2_000_000_000  # characters of the text times those of what is searched: seconds in the worst case


class EditPlan:
    """Plans each operation on the transcript that results from the ones before it."""

    def __init__(self, draft: CorrectedTranscript, stored: Sequence[Change] = ()) -> None:
        self.draft = draft
        # Also ids of undone corrections are taken, because these can be redone.
        splits = (int(one.new.split()[1]) for one in stored if one.field is CorrectedField.SPLIT)
        self._next_index = max((*draft.utterances, *splits), default=-1) + 1
        self._speakers = {*draft.names, *(one.target for one in stored if one.field is CorrectedField.NAME)}
        self._divisions = self._compared = 0

    def changes(self, operations: Iterable[Operation]) -> tuple[Change, ...]:
        made: list[Change] = []
        characters = 0
        for operation in operations:
            for change in self._planned(operation):
                characters += len(change.old) + len(change.new)
                if characters > MAX_CHARACTERS or len(made) == MAX_CORRECTIONS:
                    raise TooManyCorrections("The edit makes too many changes.", hint="Make smaller edits.")
                self.draft.apply(change)
                made.append(change)
        return tuple(made)

    def _planned(self, operation: Operation) -> Iterator[Change]:
        match operation:
            case SetText():
                yield from self._text(self._utterance(operation.utterance), operation.text)
            case Replace():
                yield from self._replacements(operation)
            case SetEmotion():
                yield from self._emotion(self._utterance(operation.utterance), operation)
            case SetSpeaker():
                yield from self._speaker(operation)
            case Rename():
                old = self._name(operation.speaker)
                yield from _changed(CorrectedField.NAME, operation.speaker, old, operation.name)
            case Merge():
                old = self._name(operation.speaker)
                self._name(operation.into)
                if operation.speaker == operation.into:
                    raise InvalidRequest("A speaker cannot be merged with itself.")
                yield Change(field=CorrectedField.MERGED, target=operation.speaker, old=old, new=operation.into)
            case Split():
                yield self._split(self._utterance(operation.utterance), operation.word)
            case Join():
                yield self._join(self._utterance(operation.utterance))
            case _:
                yield from self._accepted(self._utterance(operation.utterance), operation.words)

    def _utterance(self, index: int) -> Utterance:
        found = self.draft.utterances.get(index)
        if found is None:
            raise NotFound("There is no such utterance in this transcript.")
        return found

    def _name(self, speaker: str) -> str:
        if speaker not in self.draft.names:
            raise NotFound("There is no such speaker in this transcript.")
        return self.draft.names[speaker]

    def _text(self, utterance: Utterance, text: str) -> Iterator[Change]:
        return _changed(CorrectedField.TEXT, str(utterance.index), utterance.text, text)

    def _emotion(self, utterance: Utterance, operation: SetEmotion) -> Iterator[Change]:
        if utterance.emotion is None:
            raise NoEmotionReading("No emotion was perceived in this utterance, so there is none to correct.")
        label, wanted = str(utterance.emotion.label), str(operation.emotion)
        return _changed(CorrectedField.EMOTION, str(utterance.index), label, wanted)

    def _speaker(self, operation: SetSpeaker) -> Iterator[Change]:
        if (operation.speaker is None) == (operation.name is None):
            raise InvalidRequest("Give either the id of a speaker or the name of a new one.")
        speaker = operation.speaker
        if speaker is None:
            speaker = self._new_speaker()
            yield Change(field=CorrectedField.NAME, target=speaker, old="", new=operation.name or speaker)
        elif speaker not in self.draft.names:
            known = ", ".join([*self.draft.names][:20])
            raise InvalidRequest("There is no such speaker in this transcript.", hint=f"Its speakers are {known}.")
        for index in operation.utterances:
            old = self.draft.resolved(self._utterance(index).speaker)
            yield from _changed(CorrectedField.SPEAKER, str(index), old, speaker)

    def _new_speaker(self) -> str:
        if len(self._speakers) >= MAX_SPEAKERS:
            raise InvalidRequest(f"A transcript can have {MAX_SPEAKERS} speakers.")
        number = len(self._speakers) + 1
        while f"S{number}" in self._speakers:
            number += 1
        self._speakers.add(f"S{number}")
        return f"S{number}"

    def _count_division(self) -> None:
        self._divisions += 1
        if self._divisions > MAX_DIVISIONS:
            raise InvalidRequest(f"One edit can split and join {MAX_DIVISIONS} utterances.")

    def _split(self, utterance: Utterance, word: int) -> Change:
        self._count_division()
        if word >= len(utterance.words):
            raise InvalidRequest(
                "The utterance cannot be split there.", hint=f"It has {len(utterance.words)} words with times."
            )
        index, self._next_index = self._next_index, self._next_index + 1
        new = f"{word} {index}"
        return Change(field=CorrectedField.SPLIT, target=str(utterance.index), old=utterance.text, new=new)

    def _join(self, utterance: Utterance) -> Change:
        self._count_division()
        speaker, resolved = self.draft.resolved(utterance.speaker), self.draft.resolved
        key = (utterance.start, utterance.end, utterance.index)
        later = (
            one
            for one in self.draft.utterances.values()
            if (one.start, one.end, one.index) > key and resolved(one.speaker) == speaker
        )
        following = min(later, key=lambda one: (one.start, one.end, one.index), default=None)
        if following is None or following.start - utterance.end > MAX_GAP:
            raise InvalidRequest(
                f"This speaker says nothing within {MAX_GAP:.0f} seconds after the utterance, so there is none to join."
            )
        if len(utterance.text) + len(following.text) >= MAX_TEXT:
            raise InvalidRequest(f"An utterance can have {MAX_TEXT} characters.")
        target, new = str(utterance.index), str(following.index)
        return Change(field=CorrectedField.JOINED, target=target, old=utterance.text, new=new)

    def _accepted(self, utterance: Utterance, positions: Sequence[int]) -> Iterator[Change]:
        words = utterance.words
        if max(positions) >= len(words):
            raise InvalidRequest("The utterance has no such word.", hint=f"It has {len(words)} words.")
        accepted = self.draft.accepted.get(utterance.index, ())
        open_ones = sorted({one for one in positions if words[one].confidence != 1.0 and one not in accepted})
        if open_ones:
            old = " ".join(words[position].text for position in open_ones)
            new = " ".join(map(str, open_ones))
            yield Change(field=CorrectedField.ACCEPTED, target=str(utterance.index), old=old, new=new)

    def _replacements(self, operation: Replace) -> Iterator[Change]:
        pattern = re.escape(operation.find)
        if operation.whole_words:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        search = re.compile(pattern, 0 if operation.case else re.IGNORECASE)
        chosen = operation.utterances
        indexes = tuple(self.draft.utterances) if chosen is None else tuple(dict.fromkeys(chosen))
        for utterance in map(self._utterance, indexes):
            self._compared += len(utterance.text) * len(operation.find)
            if self._compared > MAX_COMPARED:
                raise TooManyCorrections("The edit searches too much text.", hint="Make smaller edits.")
            hits = len(search.findall(utterance.text))
            longer = hits * (len(operation.replacement) - len(operation.find))
            if len(utterance.text) + longer > MAX_TEXT:
                raise InvalidRequest(f"An utterance can have {MAX_TEXT} characters.")
            text = search.sub(lambda _: operation.replacement, utterance.text) if hits else ""
            if cleaned := " ".join(text.split()):
                yield from self._text(utterance, cleaned)


def _changed(field: CorrectedField, target: str, old: str, new: str) -> Iterator[Change]:
    if new != old:
        yield Change(field=field, target=target, old=old, new=new)

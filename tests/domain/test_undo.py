"""Edits are undone and redone without losing words or changing times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.corrected_transcript import CorrectedTranscript, apply_corrections
from shared.domain.correction import CorrectedField, Correction, numbered
from shared.domain.correction_history import active_corrections, undo_changes
from shared.domain.edit import Accept, Join, Merge, Rename, SetEmotion, SetSpeaker, SetText, Split
from shared.domain.edit_plan import EditPlan
from shared.domain.emotion import Emotion
from shared.domain.error import (
    EditConflict,
    NothingToUndo,
    UndertoneError,
)
from shared.domain.transcript import Transcript
from tests.domain.edited_meeting import meeting


class Log:
    """The corrections of two authors, as the store keeps them."""

    def __init__(self, published: Transcript) -> None:
        self.published = published
        self.corrections: tuple[Correction, ...] = ()

    def edit(self, *operations: Any, author: str = "a") -> None:
        draft = CorrectedTranscript(self.published)
        for change in active_corrections(self.corrections):
            draft.apply(change)
        self._add(EditPlan(draft, self.corrections).changes(operations), author)

    def step(self, step: CorrectedField, author: str = "a") -> None:
        self._add(undo_changes(self.corrections, author, step), author)

    def _add(self, changes: Any, author: str) -> None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        self.corrections += numbered(changes, after=len(self.corrections), key_id=author, at=at)

    @property
    def now(self) -> Transcript:
        return apply_corrections(self.published, self.corrections)


def test_undo_and_redo_restore_words_and_times() -> None:
    log = Log(meeting())
    states = [log.now]
    for operation in (
        SetText(utterance=0, text="Entirely other words than before"),
        Split(utterance=0, word=2),
        SetSpeaker(utterances=(3,), name="Zoe"),
        Merge(speaker="S1", into="S2"),
        SetEmotion(utterance=0, emotion=Emotion.JOY),
    ):
        log.edit(operation)
        states.append(log.now)
    for state in reversed(states[:-1]):
        log.step(CorrectedField.UNDONE)
        assert log.now == state
    with pytest.raises(NothingToUndo):
        log.step(CorrectedField.UNDONE)
    for state in states[1:]:
        log.step(CorrectedField.REDONE)
        assert log.now == state
    log.step(CorrectedField.UNDONE)
    log.edit(Rename(speaker="S2", name="Bo"))
    with pytest.raises(NothingToUndo):
        log.step(CorrectedField.REDONE)


def test_ids_of_undone_edits_are_not_used_again() -> None:
    log = Log(meeting())
    log.edit(Split(utterance=0, word=2), SetSpeaker(utterances=(3,), name="Zoe"))
    log.step(CorrectedField.UNDONE)
    log.edit(Split(utterance=1, word=1), SetSpeaker(utterances=(4,), name="Max"))
    assert [one.index for one in log.now.utterances] == [0, 1, 4, 2]
    assert [one.id for one in log.now.speakers] == ["S1", "S2", "S4"]


def test_an_edit_on_which_others_depend_is_not_undone() -> None:
    log = Log(meeting())
    log.edit(Split(utterance=0, word=2), SetSpeaker(utterances=(3,), name="Zoe"))
    log.edit(SetText(utterance=1, text="other"), author="b")
    log.step(CorrectedField.UNDONE)
    log.step(CorrectedField.REDONE)
    log.edit(SetSpeaker(utterances=(1,), speaker="S3"), author="b")
    with pytest.raises(EditConflict, match="speaker S3"):
        log.step(CorrectedField.UNDONE)
    log.step(CorrectedField.UNDONE, author="b")
    log.step(CorrectedField.UNDONE)
    log.edit(SetText(utterance=0, text="other"), author="b")
    with pytest.raises(EditConflict, match="utterance 0"):
        log.step(CorrectedField.REDONE)


SPEAKERS, INDEXES = st.sampled_from(["S1", "S2", "S3", "S4"]), st.integers(0, 6)
OPERATIONS = st.one_of(
    st.builds(Split, utterance=INDEXES, word=st.integers(1, 4)),
    st.builds(Join, utterance=INDEXES),
    st.builds(Merge, speaker=SPEAKERS, into=SPEAKERS),
    st.builds(SetSpeaker, utterances=st.tuples(INDEXES), speaker=SPEAKERS),
    st.builds(SetSpeaker, utterances=st.tuples(INDEXES), name=st.just("Zoe")),
    st.builds(Rename, speaker=SPEAKERS, name=st.sampled_from("xy")),
    st.builds(Accept, utterance=INDEXES, words=st.tuples(st.integers(0, 3))),
    st.sampled_from([CorrectedField.UNDONE, CorrectedField.REDONE]),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(OPERATIONS, st.sampled_from("ab")), max_size=14))
def test_no_sequence_of_edits_loses_a_word_or_second(steps: list[tuple[Any, str]]) -> None:
    log = Log(meeting())
    for step, author in steps:
        try:
            log.step(step, author) if isinstance(step, CorrectedField) else log.edit(step, author=author)
        except UndertoneError:
            continue
    made = log.now
    said = sorted((word.start, word.text) for one in made.utterances for word in one.words)
    assert said == sorted((word.start, word.text) for one in meeting().utterances for word in one.words)
    assert [one.start for one in made.utterances] == sorted(one.start for one in made.utterances)
    assert " ".join(one.text for one in made.utterances).split() != []
    known = {one.id for one in made.speakers}
    assert {one.speaker for one in made.utterances} | {one.speaker for one in made.turns} <= known
    assert sum(one.utterances for one in made.speakers) == len(made.utterances)
    assert sum(one.duration for one in made.turns) == pytest.approx(8)

"""`/edits`: several corrections made together, their undoing and redoing, and what they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from services.results.correction_writer import CorrectedState, visible_words, write_corrections
from services.results.dependencies import Editor, Transcripts
from services.results.openapi import transcript_responses
from services.results.views import PATH
from shared.domain.corrected_transcript import apply_corrections
from shared.domain.correction import Change, CorrectedField
from shared.domain.correction_history import changed_since, check_independent, undo_changes, undo_stacks
from shared.domain.edit import Edit, Operation, Rename, Replace, SetEmotion, SetSpeaker, SetText
from shared.domain.error import (
    EditConflict,
    InvalidRequest,
    NoEmotionReading,
    NothingToUndo,
    PreconditionFailed,
    TooManyCorrections,
)
from shared.domain.speech import Utterance
from shared.domain.tenant import Scope
from shared.domain.transcript import Speaker
from shared.domain.value import Value
from shared.exports.captions import plain
from shared.infra.transcript_reader import visible_corrections
from shared.infra.web.authenticator import Caller

EDITS = f"{PATH}/edits"
ERRORS = transcript_responses(EditConflict, NoEmotionReading, NothingToUndo, TooManyCorrections, PreconditionFailed)

router = APIRouter(tags=["corrections"])


class EditedUtterance(Value):
    """An utterance without the readings of its modalities; the three lists have a value for each word."""

    index: int
    start: float
    end: float
    speaker: str
    text: str
    words: tuple[str, ...]
    word_starts: tuple[float, ...]
    word_confidences: tuple[float | None, ...]
    emotion: str | None = Field(description="The perceived emotion, if there is one and the key may see it")
    emotion_confidence: float | None


class Revision(Value):
    """The state of the corrections, and how the transcript differs from revision `base`, or from before the edit."""

    revision: int = Field(description="Number of corrections; `base` of the next edit")
    undo: bool = Field(description="Whether the key has an edit to undo")
    redo: bool
    utterances: tuple[EditedUtterance, ...] = Field(description="The ones that are new or differ, in order of start")
    removed: tuple[int, ...] = Field(description="Indexes of those that no longer exist")
    speakers: tuple[Speaker, ...] = Field(description="All speakers")


class Step(Value):
    base: int | None = Field(default=None, ge=0, description="The `revision` that the author has seen")


@router.get(EDITS, summary="What was corrected since a revision.", responses=transcript_responses())
def read_revision(
    transcripts: Transcripts,
    caller: Editor,
    job_id: str,
    base: Annotated[int | None, Query(ge=0, description="A revision; the current one if omitted")] = None,
) -> Revision:
    """Needs the scopes `transcripts:read` and `recordings:write`."""
    stored = transcripts.corrections.list(caller.tenant, job_id)
    return _revision(CorrectedState(transcripts.published(caller, job_id), stored), caller, base)


@router.post(EDITS, summary="Correct several things together.", responses=ERRORS)
def edit_transcript(transcripts: Transcripts, caller: Editor, job_id: str, edit: Edit) -> Revision:
    """Needs the scopes `transcripts:read` and `recordings:write`, and for an emotion `emotions:read`."""
    operations = [_cleaned(operation) for operation in edit.operations]
    if any(isinstance(operation, SetEmotion) for operation in operations):
        caller.require_scope(Scope.EMOTIONS_READ)

    def plan(state: CorrectedState) -> tuple[Change, ...]:
        _check_base(state, edit.base)
        changes = state.plan.changes(operations)
        if edit.base is not None:
            check_independent(changes, changed_since(state.corrections, edit.base))
        return changes

    return _revision(write_corrections(transcripts, caller, job_id, plan), caller, edit.base)


@router.post(f"{EDITS}/undo", summary="Undo the last edit of this key.", responses=ERRORS)
def undo_edit(transcripts: Transcripts, caller: Editor, job_id: str, step: Step) -> Revision:
    """Rejected if somebody else's later correction depends on it. Needs the scopes of an edit."""
    return _step(transcripts, caller, job_id, step, CorrectedField.UNDONE)


@router.post(f"{EDITS}/redo", summary="Redo the edit that this key undid last.", responses=ERRORS)
def redo_edit(transcripts: Transcripts, caller: Editor, job_id: str, step: Step) -> Revision:
    """Possible until the key makes another edit. Needs the scopes of an edit."""
    return _step(transcripts, caller, job_id, step, CorrectedField.REDONE)


def _step(transcripts: Transcripts, caller: Caller, job_id: str, step: Step, field: CorrectedField) -> Revision:
    def plan(state: CorrectedState) -> tuple[Change, ...]:
        _check_base(state, step.base)
        return undo_changes(state.corrections, caller.key_id, field)

    return _revision(write_corrections(transcripts, caller, job_id, plan), caller, step.base)


def _cleaned(operation: Operation) -> Operation:
    match operation:
        case SetText():
            return operation.model_copy(update={"text": visible_words(operation.text)})
        case Rename():
            return operation.model_copy(update={"name": visible_words(operation.name)})
        case SetSpeaker() if operation.name is not None:
            return operation.model_copy(update={"name": visible_words(operation.name)})
        case Replace():
            return operation.model_copy(update={"replacement": plain(operation.replacement)})
    return operation


def _check_base(state: CorrectedState, base: int | None) -> None:
    if base is not None and base > len(state.corrections):
        raise InvalidRequest("`base` is not a revision of this transcript.", hint="Read its edits again.")


def _revision(state: CorrectedState, caller: Caller, base: int | None) -> Revision:
    stored, emotion = state.corrections, caller.has_scope(Scope.EMOTIONS_READ)
    _check_base(state, base)
    base = len(stored) - state.added if base is None else base
    shown = apply_corrections(state.published, visible_corrections(stored, emotion=emotion))
    earlier = apply_corrections(state.published, visible_corrections(stored[:base], emotion=emotion))
    before = {one.index: one for one in earlier.utterances}
    after = {one.index for one in shown.utterances}
    stacks = undo_stacks(stored, caller.key_id)
    return Revision(
        revision=len(stored),
        undo=bool(stacks.undo),
        redo=bool(stacks.redo),
        utterances=_edited([one for one in shown.utterances if before.get(one.index) != one], emotion=emotion),
        removed=tuple(index for index in before if index not in after),
        speakers=shown.speakers,
    )


def _edited(utterances: Sequence[Utterance], *, emotion: bool) -> tuple[EditedUtterance, ...]:
    return tuple(
        EditedUtterance(
            **one.model_dump(include={"index", "start", "end", "speaker", "text"}),
            words=tuple(word.text for word in one.words),
            word_starts=tuple(word.start for word in one.words),
            word_confidences=tuple(word.confidence for word in one.words),
            emotion=str(one.emotion.label) if emotion and one.emotion else None,
            emotion_confidence=one.emotion.confidence if emotion and one.emotion else None,
        )
        for one in utterances
    )

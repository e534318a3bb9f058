"""Writes corrections behind those that are stored, and repeats the attempt if another request was faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import JsonValue

from shared.domain.corrected_transcript import CorrectedTranscript, apply_corrections
from shared.domain.correction import Change, Correction, check_limits, numbered
from shared.domain.correction_history import active_corrections
from shared.domain.edit_plan import EditPlan
from shared.domain.error import InvalidRequest, PreconditionFailed
from shared.domain.transcript import Transcript
from shared.exports.captions import plain
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.authenticator import Caller

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class CorrectedState:
    """A published transcript and its corrections."""

    published: Transcript
    corrections: tuple[Correction, ...]
    added: int = 0  # the number of corrections that were written now

    @property
    def plan(self) -> EditPlan:
        draft = CorrectedTranscript(self.published)
        for change in active_corrections(self.corrections):
            draft.apply(change)
        return EditPlan(draft, self.corrections)


PlanChanges = Callable[[CorrectedState], tuple[Change, ...]]


def write_corrections(
    transcripts: TranscriptReader, caller: Caller, job_id: str, plan: PlanChanges, *, retry: bool = True
) -> CorrectedState:
    """Plan on the latest corrections and write; without `retry`, a simultaneous correction is an error."""
    for _ in range(ATTEMPTS):
        published = transcripts.published(caller, job_id)
        stored = transcripts.corrections.list(caller.tenant, job_id)
        changes = plan(CorrectedState(published, stored))
        if not changes:
            return CorrectedState(published, stored)
        check_limits(stored, changes)
        made = numbered(changes, after=len(stored), key_id=caller.key_id, at=transcripts.clock())
        fields: list[JsonValue] = list(dict.fromkeys(str(change.field) for change in changes))
        entry = caller.audit_entry(
            transcripts.clock(), "transcript.corrected", job_id, target=changes[0].target, fields=fields
        )
        try:
            transcripts.corrections.add(
                caller.tenant,
                job_id,
                changes,
                after=len(stored),
                before=apply_corrections(published, stored),
                shown=apply_corrections(published, (*stored, *made)),
                entry=entry,
            )
        except PreconditionFailed:
            if not retry:
                raise
        else:
            return CorrectedState(published, (*stored, *made), len(made))
    raise PreconditionFailed("The transcript has too many simultaneous corrections.", hint="Try again.")


def visible_words(text: str) -> str:
    """The text as it is stored: one line without control characters."""
    cleaned = plain(text)
    if not cleaned:
        raise InvalidRequest("The text has no visible characters.")
    return cleaned

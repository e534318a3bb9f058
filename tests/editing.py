"""Plans and applies the operations of an edit to a transcript."""

from __future__ import annotations

from shared.domain.corrected_transcript import CorrectedTranscript, apply_changes
from shared.domain.correction import Change
from shared.domain.edit import Operation
from shared.domain.edit_plan import EditPlan
from shared.domain.transcript import Transcript


def planned(given: Transcript, *operations: Operation) -> tuple[Change, ...]:
    return EditPlan(CorrectedTranscript(given)).changes(operations)


def edited(given: Transcript, *operations: Operation) -> Transcript:
    return apply_changes(given, planned(given, *operations))

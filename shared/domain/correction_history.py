"""Which corrections are in effect, which edit is undone or redone next, and which edits are independent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from shared.domain.correction import HISTORY, OF_SPEAKERS, Change, CorrectedField, Correction
from shared.domain.error import EditConflict, NothingToUndo


def active_corrections(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Without undone edits; a redone edit is in effect at its original place."""
    undone: set[int] = set()
    for one in corrections:
        if one.field is CorrectedField.UNDONE:
            undone.add(int(one.target))
        elif one.field is CorrectedField.REDONE:
            undone.discard(int(one.target))
    return tuple(one for one in corrections if one.field not in HISTORY and one.edit not in undone)


@dataclass(slots=True)
class UndoStacks:
    """One author's edits that can be undone, and undone ones that can be redone; the next one is the last."""

    undo: list[int] = field(default_factory=list)
    redo: list[int] = field(default_factory=list)


def undo_stacks(corrections: Iterable[Correction], author: str | None) -> UndoStacks:
    stacks = UndoStacks()
    for one in corrections:
        if one.key_id != author or one.number != one.edit:
            continue
        if one.field is CorrectedField.UNDONE:
            stacks.redo.append(stacks.undo.pop())
        elif one.field is CorrectedField.REDONE:
            stacks.undo.append(stacks.redo.pop())
        else:
            stacks.undo.append(one.edit)
            stacks.redo.clear()
    return stacks


def undo_changes(corrections: Sequence[Correction], author: str | None, step: CorrectedField) -> tuple[Change, ...]:
    """The change that undoes the author's last edit, or redoes the last undone one.

    Refused if a later edit that is in effect depends on it, or would be changed by it.
    """
    stacks = undo_stacks(corrections, author)
    edits = stacks.undo if step is CorrectedField.UNDONE else stacks.redo
    if not edits:
        raise NothingToUndo(f"There is no edit of yours to {'undo' if edits is stacks.undo else 'redo'}.")
    own = [one for one in corrections if one.edit == edits[-1]]
    later = [one for one in active_corrections(corrections) if one.edit > edits[-1]]
    check_independent(own, later)
    return (Change(field=step, target=str(edits[-1]), old="", new=""),)


def changed_since(corrections: Sequence[Correction], base: int) -> list[Correction]:
    """The corrections behind `base`, and those that were undone or redone there."""
    edits = {int(one.target) for one in corrections[base:] if one.field in HISTORY}
    return [one for one in corrections if one.field not in HISTORY and (one.number > base or one.edit in edits)]


def check_independent(changes: Iterable[Change], others: Iterable[Change]) -> None:
    """Raises EditConflict if one set changes an utterance or speaker that the other changes or refers to."""
    written, read = _subjects(changes)
    other_written, other_read = _subjects(others)
    if both := (written & (other_written | other_read)) | (read & other_written):
        raise EditConflict(
            f"Somebody else has corrected {_listed(both)} in the meantime.",
            hint="Read what is stored now, then repeat the edit if it still applies.",
        )


def _subjects(changes: Iterable[Change]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The utterances and speakers that the changes change, and those that they only refer to."""
    written, read = set(), set()
    for one in changes:
        written.add(("speaker" if one.field in OF_SPEAKERS else "utterance", one.target))
        match one.field:
            case CorrectedField.SPEAKER:
                read.add(("speaker", one.new))
            case CorrectedField.MERGED:
                written.add(("speaker", one.new))
            case CorrectedField.JOINED:
                written.add(("utterance", one.new))
            case CorrectedField.SPLIT:
                written.add(("utterance", one.new.split()[1]))
    return written, read


def _listed(subjects: Collection[tuple[str, str]]) -> str:
    shown = [f"{kind} {name}" for kind, name in sorted(subjects)[:3]]
    return ", ".join(shown) + (f" and {len(subjects) - 3} more" if len(subjects) > 3 else "")

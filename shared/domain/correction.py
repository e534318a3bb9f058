"""Manual corrections of a transcript, stored beside it with author, time and old value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.error import TooManyCorrections
from shared.domain.value import Value

# A meeting of four hours has 5,000 utterances and 350,000 characters. Every view applies all corrections.
MAX_CORRECTIONS = 50_000
MAX_CHARACTERS = 5_000_000  # of all old and new values


class CorrectedField(StrEnum):
    """The fields that can be corrected; the last two take back and repeat the corrections of one edit."""

    NAME = "name"  # of a speaker; a speaker without an old name is new
    MERGED = "merged"  # the speaker that a speaker turned out to be
    TEXT = "text"  # of an utterance, like the following ones
    EMOTION = "emotion"
    SPEAKER = "speaker"
    ACCEPTED = "accepted"  # positions of doubtful words that are correct
    SPLIT = "split"  # position of the first word of the second part, and the index of that part
    JOINED = "joined"  # index of the utterance that became the end of this one
    UNDONE = "undone"
    REDONE = "redone"


HISTORY = frozenset({CorrectedField.UNDONE, CorrectedField.REDONE})
OF_SPEAKERS = frozenset({CorrectedField.NAME, CorrectedField.MERGED})


class Change(Value):
    """One changed field with its old and new value; the target is a speaker, an utterance's index, or an edit."""

    field: CorrectedField
    target: str
    old: str
    new: str


class Correction(Change):
    number: int = Field(
        ge=1, description="Number of the correction within its transcript; corrections apply in this order"
    )
    edit: int = Field(ge=1, description="Number of the first of the corrections that were made together with this one")
    key_id: str | None = Field(description="Id of the API key that was used; null where no keys are used")
    at: datetime


def numbered(changes: Iterable[Change], *, after: int, key_id: str | None, at: datetime) -> tuple[Correction, ...]:
    """The changes as one edit, behind this number of corrections."""
    return tuple(
        Correction(**change.model_dump(), number=number, edit=after + 1, key_id=key_id, at=at)
        for number, change in enumerate(changes, start=after + 1)
    )


def check_limits(stored: Sequence[Change], changes: Sequence[Change]) -> None:
    characters = sum(len(change.old) + len(change.new) for part in (stored, changes) for change in part)
    if len(stored) + len(changes) > MAX_CORRECTIONS or characters > MAX_CHARACTERS:
        raise TooManyCorrections(
            f"A transcript can have {MAX_CORRECTIONS:,} corrections with {MAX_CHARACTERS:,} characters.",
            hint="Make smaller edits, or run the job again with a vocabulary.",
        )

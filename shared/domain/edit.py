"""The operations of an edit: what a person asks to change in a transcript."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.domain.emotion import Emotion
from shared.domain.value import Value

MAX_TEXT = 20_000
MAX_NAME = 200
MAX_OPERATIONS = 1_000
Index = Annotated[int, Field(ge=0, description="The index of an utterance")]
Indexes = Annotated[tuple[Index, ...], Field(min_length=1, max_length=10_000)]
SpeakerId = Annotated[str, Field(min_length=1, max_length=64, description="The id of a speaker")]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class SetText(Value):
    op: Literal["text"] = "text"
    utterance: Index
    text: str = Field(min_length=1, max_length=MAX_TEXT)


class SetEmotion(Value):
    op: Literal["emotion"] = "emotion"
    utterance: Index
    emotion: Emotion


class SetSpeaker(Value):
    """Gives utterances to a speaker, or to a new one with this name."""

    op: Literal["speaker"] = "speaker"
    utterances: Indexes
    speaker: SpeakerId | None = None
    name: Name | None = Field(default=None, description="Instead of `speaker`: the name of a new speaker")


class Rename(Value):
    op: Literal["rename"] = "rename"
    speaker: SpeakerId
    name: Name


class Merge(Value):
    """All utterances and turns of the speaker become those of another one."""

    op: Literal["merge"] = "merge"
    speaker: SpeakerId
    into: SpeakerId


class Split(Value):
    op: Literal["split"] = "split"
    utterance: Index
    word: int = Field(ge=1, description="Position of the word with which the second part begins")


class Join(Value):
    """Joins the utterance with the next one of its speaker."""

    op: Literal["join"] = "join"
    utterance: Index


class Accept(Value):
    """Marks doubtful words as correct: their confidence becomes 1."""

    op: Literal["accept"] = "accept"
    utterance: Index
    words: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1, max_length=1_000)


class Replace(Value):
    """Finds and replaces text. An utterance that would become empty stays as it is."""

    op: Literal["replace"] = "replace"
    find: str = Field(min_length=1, max_length=200)
    replacement: str = Field(max_length=1_000)
    case: bool = Field(default=False, description="Whether upper and lower case differ")
    whole_words: bool = False
    utterances: Indexes | None = Field(default=None, description="Only in these; in all if omitted")


Operation = Annotated[
    SetText | SetEmotion | SetSpeaker | Rename | Merge | Split | Join | Accept | Replace, Field(discriminator="op")
]


class Edit(Value):
    """Operations that are applied together, in order, and are undone together."""

    operations: tuple[Operation, ...] = Field(min_length=1, max_length=MAX_OPERATIONS)
    base: int | None = Field(
        default=None,
        ge=0,
        description="The `revision` that the author has seen: the edit is rejected if somebody has since corrected "
        "the same utterances or speakers. Corrections of others are kept. Omitted: the edit applies to the latest.",
    )

"""The transcript: speakers, times, words and perceived emotion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator

from shared.domain.emotion import Modality
from shared.domain.error import NotFound
from shared.domain.governance import Purpose
from shared.domain.recording import Recording
from shared.domain.span import Span, union
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.value import Value

SCHEMA_VERSION = 2


class Speaker(Value):
    id: str
    name: str
    talk_seconds: float = Field(ge=0, description="Seconds within the speaker's turns")
    utterances: int = Field(ge=0)


class Provenance(Value):
    """The engine of a stage, and how long the stage took."""

    stage: str
    engine: str
    seconds: float = Field(ge=0)
    # Why this engine was used instead of a better one, if there is a reason to report.
    note: str | None = None


class Disclosure(Value):
    """The notice that must accompany every reading; it cannot be turned off."""

    modalities: tuple[Modality, ...]
    biometric: bool
    notice: str
    limits: str = "docs/governance.md"
    purpose: Purpose | None = None


def turns_of(utterances: Iterable[Utterance]) -> tuple[SpeakerTurn, ...]:
    """One turn for each utterance, where nothing better is known."""
    turns = (SpeakerTurn(start=one.start, end=one.end, speaker=one.speaker) for one in utterances)
    return tuple(sorted(turns, key=lambda turn: turn.start))


def joined_turns(turns: Iterable[tuple[str, Span]]) -> dict[str, tuple[Span, ...]]:
    """The disjoint spans in which each speaker speaks, in order."""
    spans: dict[str, list[Span]] = {}
    for speaker, span in turns:
        spans.setdefault(speaker, []).append(span)
    return {speaker: union(own) for speaker, own in spans.items()}


def talk_seconds(turns: Iterable[SpeakerTurn]) -> dict[str, float]:
    """Each speaker's talk time; overlapping turns of one speaker count once."""
    joined = joined_turns((turn.speaker, turn) for turn in turns)
    return {speaker: round(sum(span.duration for span in spans), 3) for speaker, spans in joined.items()}


class SpeakerNames(dict[str, str]):
    """Names by speaker id; an unknown id is its own name."""

    def __missing__(self, speaker: str) -> str:
        return speaker


def _derived_turns(fields: Mapping[str, Any]) -> tuple[SpeakerTurn, ...]:
    return turns_of(fields["utterances"])


class Transcript(Value):
    job_id: str
    recording: Recording
    language: str | None
    speakers: tuple[Speaker, ...]
    utterances: tuple[Utterance, ...]
    turns: tuple[SpeakerTurn, ...] = Field(
        default_factory=_derived_turns,
        description="Who speaks when, in order of start; turns may overlap. Version 1 had none: one for each utterance",
    )
    provenance: tuple[Provenance, ...]
    warnings: tuple[str, ...] = ()
    disclosure: Disclosure
    schema_version: int = SCHEMA_VERSION

    @field_validator("schema_version")
    @classmethod
    def _upgraded(cls, version: int) -> int:
        """Version 1 differs only in the missing turns, which the default adds."""
        if not 1 <= version <= SCHEMA_VERSION:
            raise ValueError(f"this is schema version {version}; versions 1 to {SCHEMA_VERSION} are supported")
        return SCHEMA_VERSION

    def utterance(self, index: int) -> Utterance:
        """Raises NotFound: after a correction, indexes are not positions."""
        found = next((one for one in self.utterances if one.index == index), None)
        if found is None:
            raise NotFound("There is no such utterance in this transcript.")
        return found

    @property
    def names(self) -> SpeakerNames:
        """Built on each access, so loops must keep it."""
        return SpeakerNames((speaker.id, speaker.name) for speaker in self.speakers)


NOTICE = (
    "Perceived emotion, estimated by software from {modalities}. It says how an utterance sounds or appears, "
    "not what a person feels, and it is often wrong."
)


def disclose(modalities: Sequence[Modality], purpose: Purpose | None = None) -> Disclosure:
    """The disclosure for the modalities that were used."""
    used = tuple(modality for modality in Modality if modality in modalities)
    words = {Modality.TEXT: "the words", Modality.VOICE: "the voice", Modality.FACE: "the face"}
    *most, last = [words[modality] for modality in used] or ["nothing, because no modality gave a reading"]
    sources = f"{', '.join(most)} and {last}" if most else last
    return Disclosure(
        modalities=used,
        biometric=any(modality is not Modality.TEXT for modality in used),
        notice=NOTICE.format(modalities=sources),
        purpose=purpose,
    )

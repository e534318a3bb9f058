"""The transcript: speakers, times, words and perceived emotion."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from shared.domain.emotion import Modality
from shared.domain.governance import Purpose
from shared.domain.recording import Recording
from shared.domain.speech import Utterance
from shared.domain.value import Value

SCHEMA_VERSION = 1


class Speaker(Value):
    id: str
    name: str
    talk_seconds: float = Field(ge=0)
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


class Transcript(Value):
    job_id: str
    recording: Recording
    language: str | None
    speakers: tuple[Speaker, ...]
    utterances: tuple[Utterance, ...]
    provenance: tuple[Provenance, ...]
    warnings: tuple[str, ...] = ()
    disclosure: Disclosure
    schema_version: int = SCHEMA_VERSION

    def name_of(self, speaker: str) -> str:
        return next((known.name for known in self.speakers if known.id == speaker), speaker)


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

"""A job: the recording, its additional files, and the options for its transcript."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from shared.domain.emotion import Modality
from shared.domain.governance import Purpose
from shared.domain.value import Value


class Source(Value):
    """A media file from a client; the name is only a label, the hash identifies it."""

    name: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


# Seconds after the beginning of the recording; with a negative start, the part before the recording is left out.
MAX_START = 86400.0
TrackStart = Annotated[float, Field(ge=-MAX_START, le=MAX_START)]


class Track(Source):
    """The recording of one participant; its name is the participant's name."""

    start: TrackStart = 0.0


# Letters, digits and the punctuation of names, but no control tokens of a recogniser, such as <|…|>.
Term = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\w[\w .&'’+/-]*$", max_length=64)]
MAX_TERMS = 100
MAX_NAME = 200  # characters


class JobOptions(Value):
    """Options for the transcript; the defaults mean automatic detection and all modalities."""

    language: str | None = None
    vocabulary: tuple[Term, ...] = Field(default=(), max_length=MAX_TERMS)  # names and words that may be said
    speakers: int | None = Field(default=None, ge=1, le=64)
    max_speakers: int | None = Field(default=None, ge=1, le=64)
    modalities: tuple[Modality, ...] = tuple(Modality)
    # slot -> engine name or name:option, e.g. {"transcriber": "faster-whisper:small"}
    engines: Mapping[str, str] = {}
    separate_channels: bool = False
    min_speech: float | None = Field(default=None, ge=0, le=1)  # share of the duration; the job fails if less is speech
    max_seconds: float | None = Field(default=None, gt=0)  # the job of a longer recording fails
    captions: bool = False  # also make a video with the text and the perceived emotion as captions
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _check_speaker_counts(self) -> JobOptions:
        if self.speakers and self.max_speakers:
            raise ValueError("give the number of speakers or its maximum, not both")
        return self


class Job(Value):
    """One recording to annotate; with the files it names, it suffices to reproduce the transcript.

    `text_only`: there is no recording, but the platform transcript alone, and `recording` names that file.
    """

    id: str = Field(min_length=1)
    recording: Source
    tracks: tuple[Track, ...] = ()
    platform_transcript: Source | None = None
    known_voices: tuple[Source, ...] = ()  # clips of voices, named after their speakers
    text_only: bool = False
    options: JobOptions = JobOptions()
    name: str | None = Field(default=None, min_length=1, max_length=MAX_NAME)  # of the meeting, if it was renamed

    @property
    def title(self) -> str:
        return self.name or self.recording.name

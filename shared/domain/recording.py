"""The recording and the properties of its streams."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class TrackProbe(Value):
    """One audio signal that is decoded separately: a participant's track or a separate channel."""

    name: str = Field(min_length=1)
    seconds: float = Field(ge=0)


class VideoProbe(Value):
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frames_per_second: float = Field(gt=0)


class Probe(Value):
    """The result of decoding, with warnings; durations are measured, never read from a header."""

    duration: float = Field(ge=0)
    sample_rate: int = Field(gt=0)
    container: str
    audio_codec: str
    video: VideoProbe | None = None
    tracks: tuple[TrackProbe, ...] = ()
    warnings: tuple[str, ...] = ()


class Recording(Value):
    """The recording as described in the transcript; the name is a label, never a path."""

    name: str
    sha256: str
    duration: float = Field(ge=0)
    has_video: bool
    container: str
    warnings: tuple[str, ...] = ()

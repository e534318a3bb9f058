"""The recording that came in, and the parts it is made of."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class TrackProbe(Value):
    """One audio signal decoded on its own: a participant's track, or a channel kept apart."""

    name: str = Field(min_length=1)
    seconds: float = Field(ge=0)


class VideoProbe(Value):
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frames_per_second: float = Field(gt=0)


class Probe(Value):
    """What the decoder found, and what it could not do; every duration is counted, never the header's claim."""

    duration: float = Field(ge=0)
    sample_rate: int = Field(gt=0)
    container: str
    audio_codec: str
    video: VideoProbe | None = None
    tracks: tuple[TrackProbe, ...] = ()
    warnings: tuple[str, ...] = ()


class Recording(Value):
    """The recording as the transcript names it: a label and facts, never a path."""

    name: str
    sha256: str
    duration: float = Field(ge=0)
    has_video: bool
    container: str
    warnings: tuple[str, ...] = ()

"""Messages between the decoder and its child: a request on stdin, reports as lines on stdout."""

from __future__ import annotations

from pydantic import Field

from shared.domain.recording import Probe
from shared.domain.span import Span
from shared.domain.value import Value


class TrackSource(Value):
    """A file that the child may read; `name` is the participant's name, never the file name."""

    path: str
    name: str
    start: float = 0.0


class SoundRequest(Value):
    media: str
    into: str
    tracks: tuple[TrackSource, ...] = ()
    separate_channels: bool = False


class FramesRequest(Value):
    media: str
    within: tuple[Span, ...]
    per_second: float = Field(gt=0)
    longest_side: int = Field(ge=2)


class FrameHeader(Value):
    """Header of a frame; rows x columns x 3 bytes of RGB follow the line."""

    time: float
    rows: int = Field(gt=0)
    columns: int = Field(gt=0)


class Failure(Value):
    code: str
    message: str
    hint: str | None = None


class Report(Value):
    """One line from the child; exactly one field is set."""

    progress: float | None = None
    probe: Probe | None = None
    frame: FrameHeader | None = None
    failure: Failure | None = None
    done: bool = False

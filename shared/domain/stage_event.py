"""Progress events of a running job."""

from __future__ import annotations

from pydantic import Field

from shared.domain.value import Value


class StageStarted(Value):
    stage: str


class StageProgressed(Value):
    stage: str
    fraction: float = Field(ge=0, le=1)


class StageFinished(Value):
    stage: str
    seconds: float = Field(ge=0)
    reused: bool = False  # its artifacts already existed


class StageWarned(Value):
    """A warning for the readers of the transcript, so that nothing is lost silently."""

    stage: str
    code: str
    message: str


StageEvent = StageStarted | StageProgressed | StageFinished | StageWarned

"""What happens while a job runs, as told to whoever watches."""

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
    reused: bool = False  # its artifacts were already there


class StageWarned(Value):
    """Something a reader of the transcript should know; nothing was lost silently."""

    stage: str
    code: str
    message: str


StageEvent = StageStarted | StageProgressed | StageFinished | StageWarned

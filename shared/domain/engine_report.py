"""What a machine that runs workers has: engines, weights and free disk."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from shared.domain.value import Value


class EngineStatus(StrEnum):
    USED = "used"  # what a job uses by default
    READY = "ready"
    MISSING = "missing"


class EngineFinding(Value):
    """The status of one engine of a slot."""

    engine: str
    status: EngineStatus
    detail: str = ""
    hint: str | None = Field(default=None, description="The command that installs it")


class SlotReport(Value):
    slot: str
    work: str = Field(description="What its engines are used for")
    engines: tuple[EngineFinding, ...] = Field(description="In the order of `auto`")


class WeightsFinding(Value):
    """Weights that can be fetched."""

    name: str
    slot: str
    licence: str
    megabytes: float
    installed: bool


class DiskFinding(Value):
    used_for: str
    free_bytes: int
    total_bytes: int


class EngineReport(Value):
    host: str
    at: datetime
    version: str = Field(description="Of Undertone on this machine")
    slots: tuple[SlotReport, ...]
    weights: tuple[WeightsFinding, ...]
    disks: tuple[DiskFinding, ...]

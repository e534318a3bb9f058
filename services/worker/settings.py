"""Settings of the worker; read from the environment as WORKER__…."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.stage_plan import CPU, FAST, QUEUES
from shared.infra.comma_list import CommaList


def default_scratch() -> Path:
    return Path(tempfile.gettempdir()) / "undertone-worker"


class WorkerSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="WORKER__", frozen=True)

    queues: CommaList[str] = (CPU, FAST)
    """Queues that this worker serves: cpu, gpu, fast, or several, separated by commas."""

    processes: int = Field(default=1, ge=1)
    """Stages that run concurrently in this worker; leave it at 1 on a GPU."""

    scratch: Path = Field(default_factory=default_scratch)
    """Folder for the temporary files of running stages."""

    lease_seconds: float = Field(default=90, gt=0)
    """Lease of a running stage, extended after each third of it; a dead worker's stage is requeued when it expires."""

    poll_seconds: float = Field(default=2, gt=0)
    """Interval at which a running stage checks whether its job was cancelled."""

    shutdown_seconds: float = Field(default=30, ge=0)
    """Time that a running stage may continue after SIGTERM; it is then requeued. Less than the container's grace."""

    idle_unload_seconds: float = Field(default=600, gt=0)
    """Engines that are idle for this long are unloaded from memory."""

    tasks_per_process: int = Field(default=50, ge=0)
    """Stages after which a process is replaced, against memory leaks in native code; 0 means never."""

    memory_per_process_mb: int = Field(default=6144, ge=0)
    """A process that uses more memory than this after a stage is replaced; 0 means never."""

    @field_validator("queues")
    @classmethod
    def _known(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        if not queues or not set(queues) <= set(QUEUES):
            raise ValueError(f"the queues are {', '.join(QUEUES)}")
        return queues

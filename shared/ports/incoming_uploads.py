"""Port for the record of running uploads, which serves to find the partial data of a killed process."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class IncomingUploadStore(Protocol):
    def begin(self, tenant: str, job_id: str) -> None: ...

    def heartbeat(self, job_id: str) -> None: ...

    def end(self, job_id: str) -> None: ...

    def abandoned(self, before: datetime) -> tuple[tuple[str, str], ...]: ...

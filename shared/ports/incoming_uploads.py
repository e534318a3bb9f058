"""What is on its way into storage: a trace of it, so that what a killed process left half-way is found."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class IncomingUploadStore(Protocol):
    def begin(self, tenant: str, job_id: str) -> None:
        """Before the first byte: there is no such job yet."""
        ...

    def heartbeat(self, job_id: str) -> None:
        """A sign of life."""
        ...

    def end(self, job_id: str) -> None: ...

    def abandoned(self, before: datetime) -> tuple[tuple[str, str], ...]:
        """Tenants and ids of what gave no sign since."""
        ...

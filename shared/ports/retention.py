"""Port for retention: finds expired data and records its deletion."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from shared.domain.retention import RetentionCategory


class RetentionStore(Protocol):
    def expired(
        self, category: RetentionCategory, period: timedelta | None, *, limit: int = 100
    ) -> tuple[tuple[str, str], ...]:
        """Tenant and id of jobs whose data of this category has expired, by the period of the job or the deployment.

        `period` is the deployment's period after the end of the job; None means only the job's own period applies.
        """
        ...

    def mark_deleted(self, category: RetentionCategory, tenant: str, job_id: str) -> None:
        """Record that storage has deleted the data, so that it is not returned again."""
        ...

"""What has been kept for as long as it may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from shared.domain.retention import RetentionCategory


class RetentionStore(Protocol):
    def expired(
        self, category: RetentionCategory, period: timedelta | None, *, limit: int = 100
    ) -> tuple[tuple[str, str], ...]:
        """Tenant and id of jobs whose things of this kind have had their time, the job's own wish counted in.

        `keep` is the deployment's time after the job's end; None keeps what no job asked to have erased.
        """
        ...

    def mark_deleted(self, category: RetentionCategory, tenant: str, job_id: str) -> None:
        """Storage has let go of them; they are not asked for again."""
        ...

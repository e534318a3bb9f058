"""Where the answers to requests with an Idempotency-Key are kept, and what is on its way in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from shared.domain.idempotency import RequestKey, StoredAnswer


class AnswerStore(Protocol):
    def begin(self, key: RequestKey, holder: str, *, lease: timedelta) -> StoredAnswer | None:
        """Take the key before any effect. The stored answer if there is one; IdempotencyKeyBusy while another works."""
        ...

    def renew(self, key: RequestKey, holder: str) -> None:
        """Say that the request is still being worked on."""
        ...

    def finish(self, key: RequestKey, holder: str, answer: StoredAnswer, *, job_id: str | None = None) -> None:
        """Keep the answer; erasing the job takes it along."""
        ...

    def abandon(self, key: RequestKey, holder: str) -> None:
        """Nothing came of it: the key is free again."""
        ...

    def forget(self, before: datetime) -> int: ...


class ArrivalStore(Protocol):
    """What is on its way into storage and has no job yet: what a killed process left is found here."""

    def begin(self, tenant: str, job_id: str) -> None: ...

    def renew(self, job_id: str) -> None: ...

    def end(self, job_id: str) -> None: ...

    def lost(self, before: datetime) -> tuple[tuple[str, str], ...]:
        """Tenants and ids of what was not renewed since."""
        ...

"""Where corrections of transcripts are kept, and where what was said can be looked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.correction import Change, Correction
from shared.domain.page import Page
from shared.domain.search import SearchQuery, SearchResult
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript


class TranscriptIndex(Protocol):
    """What was said in a tenant's finished transcripts; erasing a job empties it of that job."""

    def index_transcript(self, tenant: str, transcript: Transcript) -> None:
        """Everything said in it replaces what was known of this job; found once the job is done, not before.
        NotFound where the tenant has no such job, or had it erased."""
        ...

    def search(
        self, tenant: str, query: SearchQuery, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SearchResult]:
        """Utterances of the newest job first, within a job as they were said."""
        ...


class CorrectionStore(Protocol):
    def list(self, tenant: str, job_id: str) -> tuple[Correction, ...]:
        """In the order in which they were made."""
        ...

    def add(
        self, tenant: str, job_id: str, changes: Sequence[Change], *, after: int, shown: Transcript, entry: AuditEntry
    ) -> tuple[Correction, ...]:
        """Keep the changes, what is found from now on, and the line of the audit trail, in one transaction.
        `shown` is the transcript with them. PreconditionFailed when there are not exactly `after` before them."""
        ...

"""Ports for transcript search and transcript corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.correction import Change, Correction
from shared.domain.page import Page
from shared.domain.search import SearchQuery, SearchResult
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript


class TranscriptIndex(Protocol):
    """Search index of a tenant's finished transcripts; erasing a job removes it from the index."""

    def index_transcript(self, tenant: str, transcript: Transcript) -> None:
        """Index the transcript in place of the job's previous one; it is found only after the job is done.
        Raises NotFound if the tenant has no such job or it was erased."""
        ...

    def search(
        self, tenant: str, query: SearchQuery, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SearchResult]:
        """Matching utterances, newest job first, in order of time within a job."""
        ...


class CorrectionStore(Protocol):
    def list(self, tenant: str, job_id: str) -> tuple[Correction, ...]:
        """The corrections in the order in which they were made."""
        ...

    def add(
        self, tenant: str, job_id: str, changes: Sequence[Change], *, after: int, shown: Transcript, entry: AuditEntry
    ) -> tuple[Correction, ...]:
        """Store the changes, the updated search index and the audit entry, in one transaction.
        `shown` is the corrected transcript. Raises PreconditionFailed unless exactly `after` corrections exist."""
        ...

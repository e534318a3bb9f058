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
    def index_transcript(self, tenant: str, transcript: Transcript) -> None: ...

    def search(
        self, tenant: str, query: SearchQuery, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SearchResult]: ...


class CorrectionStore(Protocol):
    def list(self, tenant: str, job_id: str) -> tuple[Correction, ...]: ...

    def add(
        self, tenant: str, job_id: str, changes: Sequence[Change], *, after: int, shown: Transcript, entry: AuditEntry
    ) -> tuple[Correction, ...]: ...

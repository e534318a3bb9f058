"""The dependencies of the pages, and their authentication."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends

from services.results.notes import NotesWriter
from shared.domain.error import InvalidApiKey
from shared.domain.job_record import JobRecord
from shared.domain.retention import RetentionCategory, shortest_period
from shared.domain.tenant import Scope
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.database.sessions import SqlSessionStore
from shared.infra.key_verifier import ApiKeyVerifier
from shared.infra.retention_settings import RetentionSettings
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.application import context_of
from shared.infra.web.authentication import require_scopes
from shared.infra.web.authenticator import Caller, caller_with


@dataclass(frozen=True, slots=True)
class PageContext:
    transcripts: TranscriptReader
    notes: NotesWriter
    sessions: SqlSessionStore
    verifier: ApiKeyVerifier | None  # None: the service needs no keys
    periods: SqlRetentionStore
    retention: RetentionSettings

    @property
    def keyless(self) -> bool:
        return self.verifier is None

    def media_expires_at(self, record: JobRecord) -> datetime | None:
        """When the recording of a finished job is deleted."""
        category = RetentionCategory.MEDIA
        own = (self.periods.find(record.tenant), record.retention)
        period = shortest_period(category, self.retention.periods[category], own)
        return record.finished_at + period if record.finished_at and period is not None else None

    def sign_in(self, text: str, address: str | None) -> str:
        """The token of a new session with the rights of this API key."""
        if self.verifier is None:
            raise InvalidApiKey("This service needs no sign-in.")
        key = self.verifier.verify(text)
        caller = caller_with(key, address)
        caller.require_scope(Scope.TRANSCRIPTS_READ)
        token = self.sessions.start(key)
        self.transcripts.record_audit(caller, "session.started", key.id)
        return token


Pages = Annotated[PageContext, context_of("page")]
TranscriptCaller = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ))]

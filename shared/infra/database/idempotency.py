"""Stores the responses for idempotency keys in the database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.domain.error import IdempotencyKeyReused
from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
from shared.infra.database.engine import Database
from shared.infra.database.schema import idempotency, incoming_uploads, jobs

MAX_DURATION = timedelta(hours=2)  # no request runs longer; a request without a response by then was killed
MAX_SILENCE = timedelta(minutes=1)  # an upload has a heartbeat every 20 s, unless it was killed or lost the database


class SqlIdempotencyStore:
    """Stores the responses for repeated requests, for one day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, request: RequestKey, fingerprint: str, *, job_id: str | None = None) -> RequestState:
        """Reserve the key or return its state; raises IdempotencyKeyReused if it was used for another request.

        `job_id` is the upload that this request handles; its heartbeat shows that the request still runs.
        """
        now = self._database.now
        row = request.model_dump() | {"fingerprint": fingerprint, "created_at": now, "job_id": job_id}
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(*_unanswered(request), _has_ended(now)))
        try:
            with self._database.writing() as connection:
                connection.execute(insert(idempotency).values(**row))
        except IntegrityError:  # the primary key decides which request was first
            return self._request_state(request, fingerprint)
        return RequestState(new=True)

    def _request_state(self, request: RequestKey, fingerprint: str) -> RequestState:
        with self._database.reading() as connection:
            row = connection.execute(select(idempotency).where(*_same(request))).mappings().one_or_none()
        if row is None:  # released in the meantime
            return RequestState(new=False)
        if row["fingerprint"] != fingerprint:
            raise IdempotencyKeyReused("The idempotency key was used for a different request.", hint="Use a new key.")
        if row["status"] is None:
            return RequestState(new=False, job_id=self._added_job(row["job_id"]))
        return RequestState(new=False, response=StoredResponse(status=row["status"], body=row["body"]))

    def _added_job(self, job_id: str | None) -> str | None:
        with self._database.reading() as connection:
            return connection.execute(select(jobs.c.id).where(jobs.c.id == job_id)).scalar_one_or_none()

    def store_response(self, request: RequestKey, answer: StoredResponse, *, job_id: str | None = None) -> None:
        """Store the response; the erasure of the job deletes it."""
        with self._database.writing() as connection:
            connection.execute(
                update(idempotency).where(*_same(request)).values(status=answer.status, body=answer.body, job_id=job_id)
            )

    def release(self, request: RequestKey) -> None:
        """Release the key of a request without effect, so that a repeated one is processed again."""
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(*_unanswered(request)))

    def delete_before(self, before: datetime) -> int:
        with self._database.writing() as connection:
            return connection.execute(delete(idempotency).where(idempotency.c.created_at < before)).rowcount


def _same(request: RequestKey) -> tuple[Any, ...]:
    return tuple(idempotency.c[name] == value for name, value in request.model_dump().items())


def _unanswered(request: RequestKey) -> tuple[Any, ...]:
    """True for the row of a request without a response and without a job."""
    added = exists().where(jobs.c.id == idempotency.c.job_id)
    return (*_same(request), idempotency.c.status.is_(None), ~added)


def _has_ended(now: datetime) -> ColumnElement[bool]:
    uploads = exists().where(
        incoming_uploads.c.job_id == idempotency.c.job_id, incoming_uploads.c.seen_at >= now - MAX_SILENCE
    )
    too_old = idempotency.c.created_at < now - MAX_DURATION
    return or_(too_old, idempotency.c.job_id.is_not(None) & ~uploads)

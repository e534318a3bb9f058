"""Stores webhook endpoints and deliveries in the database for the requests of their tenants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Select, delete, exists, insert, select, update

from shared.domain.error import NotFound, StateConflict
from shared.domain.job_record import JobStatus
from shared.domain.page import Page
from shared.domain.webhook import (
    Attempt,
    Delivery,
    DeliveryStatus,
    EncryptedSecret,
    EventType,
    PayloadFormat,
    WebhookEndpoint,
    build_event,
)
from shared.domain.webhook_template import fill_template
from shared.infra.database.engine import Database
from shared.infra.database.rows import read_page, read_row
from shared.infra.database.schema import attempts, deliveries, endpoints, jobs
from shared.infra.database.webhook_rows import (
    disable,
    read_endpoint,
    write_event_types,
    write_secrets,
)

MAX_PER_PAGE = 200
ENDED_STATUSES = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


def delivery_id() -> str:
    return f"msg_{uuid4().hex}"


class SqlEndpointStore:
    """A tenant's webhook endpoints; another tenant's endpoint is NotFound, like one that does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, endpoint: WebhookEndpoint) -> None:
        with self._database.writing() as connection:
            connection.execute(
                insert(endpoints).values(
                    id=endpoint.id,
                    tenant=endpoint.tenant,
                    url=endpoint.url,
                    event_types=write_event_types(endpoint.event_types),
                    description=endpoint.description,
                    secrets=write_secrets(endpoint.secrets),
                    job_id=endpoint.job_id,
                    payload=endpoint.payload,
                    template=endpoint.template,
                    header=endpoint.header,
                    created_at=endpoint.created_at,
                )
            )

    def find(self, tenant: str, endpoint_id: str) -> WebhookEndpoint | None:
        with self._database.reading() as connection:
            return _endpoint(connection, tenant, endpoint_id)

    def list(self, tenant: str) -> tuple[WebhookEndpoint, ...]:
        """All endpoints except the callbacks of single jobs."""
        query = select(endpoints).where(endpoints.c.tenant == tenant, endpoints.c.job_id.is_(None))
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(endpoints.c.created_at, endpoints.c.id)).mappings()
            return tuple(read_endpoint(row) for row in rows)

    def without_delivery(self, *payloads: PayloadFormat) -> tuple[WebhookEndpoint, ...]:
        """The callbacks in these formats, of all tenants, whose job has ended and that have no delivery yet."""
        query = (
            select(endpoints)
            .join(jobs, jobs.c.id == endpoints.c.job_id)
            .where(endpoints.c.payload.in_(payloads), jobs.c.status.in_(ENDED_STATUSES))
            .where(~exists().where(deliveries.c.endpoint_id == endpoints.c.id))
        )
        with self._database.reading() as connection:
            return tuple(read_endpoint(row) for row in connection.execute(query).mappings())

    def change(
        self,
        tenant: str,
        endpoint_id: str,
        *,
        url: str | None = None,
        event_types: Iterable[EventType] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> WebhookEndpoint:
        changes: dict[str, Any] = {"url": url, "description": description}
        changes["event_types"] = None if event_types is None else write_event_types(event_types)
        changes = {name: value for name, value in changes.items() if value is not None}
        if enabled:
            changes |= {"disabled_at": None, "disabled_reason": None, "failing_since": None, "slow_until": None}
        with self._database.writing() as connection:
            found = _present(connection, tenant, endpoint_id)
            if changes:
                connection.execute(update(endpoints).where(endpoints.c.id == endpoint_id).values(**changes))
            if enabled is False and found.disabled_at is None:
                disable(connection, endpoint_id, "asked", self._database.now)
            return _present(connection, tenant, endpoint_id)

    def set_secrets(self, tenant: str, endpoint_id: str, secrets: tuple[EncryptedSecret, ...]) -> WebhookEndpoint:
        with self._database.writing() as connection:
            _present(connection, tenant, endpoint_id)
            connection.execute(
                update(endpoints).where(endpoints.c.id == endpoint_id).values(secrets=write_secrets(secrets))
            )
            return _present(connection, tenant, endpoint_id)

    def delete(self, tenant: str, endpoint_id: str) -> None:
        """Delete the endpoint and its deliveries."""
        with self._database.writing() as connection:
            _present(connection, tenant, endpoint_id)
            for table in (attempts, deliveries):
                own = select(deliveries.c.id).where(deliveries.c.endpoint_id == endpoint_id)
                key = attempts.c.delivery_id if table is attempts else deliveries.c.id
                connection.execute(delete(table).where(key.in_(own)))
            connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id))


class SqlDeliveryStore:
    """The deliveries to a tenant's endpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, tenant: str, *, endpoint_id: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Delivery]:
        query = _own(tenant)
        if endpoint_id is not None:
            query = query.where(deliveries.c.endpoint_id == endpoint_id)
        limit = min(limit, MAX_PER_PAGE)
        with self._database.reading() as connection:
            rows, following = read_page(
                connection, query, deliveries.c.created_at, deliveries.c.id, cursor=cursor, limit=limit
            )
        return Page(items=tuple(read_row(Delivery, row) for row in rows), next_cursor=following)

    def find(self, tenant: str, delivery_id: str) -> Delivery | None:
        with self._database.reading() as connection:
            row = connection.execute(_own(tenant).where(deliveries.c.id == delivery_id)).mappings().one_or_none()
            return None if row is None else read_row(Delivery, row)

    def attempts(self, tenant: str, delivery_id: str) -> tuple[Attempt, ...]:
        own = (attempts.c.tenant == tenant, attempts.c.delivery_id == delivery_id)
        query = select(attempts).where(*own).order_by(attempts.c.at, attempts.c.series, attempts.c.number)
        with self._database.reading() as connection:
            return tuple(read_row(Attempt, row) for row in connection.execute(query).mappings())

    def add(self, endpoint: WebhookEndpoint, body: bytes) -> None:
        """Deliver a body that no event has to the callback of a job; a second call has no effect."""
        with self._database.writing_exclusively(f"callback {endpoint.id}") as connection:
            present = exists().where(deliveries.c.endpoint_id == endpoint.id)
            if (
                connection.execute(select(present)).scalar_one()
                or _endpoint(connection, endpoint.tenant, endpoint.id) is None
            ):
                return
            connection.execute(
                insert(deliveries).values(
                    id=delivery_id(),
                    tenant=endpoint.tenant,
                    endpoint_id=endpoint.id,
                    event_id=uuid4().hex,
                    job_id=endpoint.job_id,
                    event_type=EventType.TRANSCRIPT_READY,
                    body=body,
                    status=DeliveryStatus.PENDING,
                    series=1,
                    attempts=0,
                    next_attempt_at=self._database.now,
                    created_at=self._database.now,
                )
            )

    def callback_status(self, tenant: str, job_id: str) -> int | None:
        """The status of the newest response to the callback of a job."""
        query = (
            select(attempts.c.response_status)
            .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
            .join(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
            .where(deliveries.c.tenant == tenant, endpoints.c.job_id == job_id)
            .order_by(attempts.c.at.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            return connection.execute(query).scalar_one_or_none()

    def replay(self, tenant: str, delivery_id: str) -> Delivery:
        """Send the same id and bytes in a new series; raises StateConflict while a series is still running."""
        query = _own(tenant).where(deliveries.c.id == delivery_id)
        with self._database.writing() as connection:
            row = connection.execute(query.with_for_update()).mappings().one_or_none()
            if row is None:
                raise NotFound("There is no such delivery.")
            _enabled(_present(connection, tenant, row["endpoint_id"]))
            if row["status"] == DeliveryStatus.PENDING:
                raise StateConflict("The delivery is still pending.", hint="Wait until it has finished.")
            again: dict[str, Any] = {"status": DeliveryStatus.PENDING, "series": row["series"] + 1, "attempts": 0}
            again |= {"next_attempt_at": self._database.now, "finished_at": None, "lease": None, "lease_until": None}
            connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**again))
            return read_row(Delivery, connection.execute(query).mappings().one())

    def ping(self, tenant: str, endpoint_id: str) -> Delivery:
        """Send a `webhook.test` event, whatever the endpoint's event types."""
        now = self._database.now
        test = build_event(EventType.TEST, now, {"endpoint_id": endpoint_id})
        with self._database.writing() as connection:
            endpoint = _present(connection, tenant, endpoint_id)
            _enabled(endpoint)
            row = insert(deliveries).values(
                id=delivery_id(),
                tenant=tenant,
                endpoint_id=endpoint_id,
                event_id=uuid4().hex,
                event_type=test.event_type,
                body=test.body if endpoint.template is None else fill_template(endpoint.template, test.body),
                status=DeliveryStatus.PENDING,
                series=1,
                attempts=0,
                next_attempt_at=now,
                created_at=now,
            )
            return read_row(Delivery, connection.execute(row.returning(deliveries)).mappings().one())


def _own(tenant: str) -> Select[Any]:
    return select(deliveries).where(deliveries.c.tenant == tenant)


def _endpoint(connection: Connection, tenant: str, endpoint_id: str) -> WebhookEndpoint | None:
    query = select(endpoints).where(endpoints.c.tenant == tenant, endpoints.c.id == endpoint_id)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else read_endpoint(row)


def _present(connection: Connection, tenant: str, endpoint_id: str) -> WebhookEndpoint:
    found = _endpoint(connection, tenant, endpoint_id)
    if found is None:
        raise NotFound("There is no such webhook endpoint.")
    return found


def _enabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise StateConflict("The endpoint is disabled.", hint='Enable it first: send a PATCH with "enabled": true.')

"""The tables of the database; `shared.domain` documents what they mean."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from shared.infra.database.columns import Instant, id_column, metadata, tenant_column

tenants = Table(
    "tenants",
    metadata,
    id_column(),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("retention", Text),  # JSON; periods of all jobs of the tenant
)

engine_reports = Table(  # of the machines that run workers
    "engine_reports",
    metadata,
    Column("host", String(255), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("report", Text, nullable=False),  # JSON
)

keys = Table(
    "keys",
    metadata,
    id_column(),
    tenant_column(),
    Column("name", Text, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", Text, nullable=False),  # separated by spaces
    Column("defaults", Text, nullable=False),  # JSON
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Index(None, "tenant", "created_at"),
)

sessions = Table(  # of signed-in browsers
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("key_id", String(64), ForeignKey("keys.id"), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "expires_at"),
)

jobs = Table(
    "jobs",
    metadata,
    id_column(),
    tenant_column(),
    Column("status", String(16), nullable=False),
    # JSON; all of these columns are cleared when the row becomes an erasure record.
    Column("request", Text),
    Column("metadata", Text),
    Column("consent", Text),
    Column("retention", Text),
    Column("error", Text),
    Column("key_id", String(64)),
    Column("digest", String(64)),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("erased_at", Instant),
    Column("erased_by", Text),
    Column("erased_reason", Text),
    # When retention deleted them; None while they are stored.
    Column("media_deleted_at", Instant),
    Column("artifacts_deleted_at", Instant),
    Column("recording_seconds", Float),  # known when the job is done
    Column("media_bytes", BigInteger),  # of the recording, its tracks and its platform transcript
    Index(None, "tenant", "created_at", "id"),
    Index(None, "tenant", "digest"),
    Index(None, "status", "finished_at"),
)

stages = Table(
    "stages",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("needs", Text, nullable=False),  # names separated by spaces
    Column("queue", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("worker", Text),
    Column("lease_until", Instant),
    Column("progress", Float, nullable=False),
    Column("seconds", Float),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("not_before", Instant),
    Column("enqueued_at", Instant),  # when its message was sent; None: to be sent
    Column("ready_at", Instant),  # the time from which it may be claimed, when its dependencies are done
    Index(None, "queue", "status", "enqueued_at"),
    Index(None, "status", "lease_until"),
    Index(None, "status", "finished_at"),
)

outbox = Table(
    "outbox",
    metadata,
    id_column(),
    tenant_column(),
    Column("job_id", String(64)),
    Column("event_type", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("fanned_out_at", Instant),
    Index(None, "fanned_out_at", "created_at"),
    Index(None, "job_id"),
)

endpoints = Table(
    "endpoints",
    metadata,
    id_column(),
    tenant_column(),
    Column("url", Text, nullable=False),
    Column("event_types", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("secrets", Text, nullable=False),  # JSON; encrypted
    Column("job_id", String(64)),
    Column("payload", String(16), nullable=False),
    Column("template", Text),  # JSON
    Column("header", Text),  # encrypted
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_reason", Text),
    Column("failing_since", Instant),
    Column("slow_until", Instant),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "job_id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    id_column(),
    tenant_column(),
    Column("endpoint_id", String(64), ForeignKey("endpoints.id"), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("job_id", String(64)),
    Column("event_type", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("series", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("lease", String(64)),
    Column("lease_until", Instant),
    UniqueConstraint("event_id", "endpoint_id"),
    Index(None, "status", "next_attempt_at"),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "endpoint_id", "created_at"),
    Index(None, "job_id"),
    Index(None, "status", "finished_at"),
)

attempts = Table(
    "attempts",
    metadata,
    id_column(),
    tenant_column(),
    Column("delivery_id", String(64), ForeignKey("deliveries.id"), nullable=False),
    Column("endpoint_id", String(64), nullable=False),
    Column("series", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("response_status", Integer),
    Column("error", String(64)),
    Column("response_body", Text, nullable=False),
    Column("next_attempt_at", Instant),
    Index(None, "delivery_id", "at"),
    Index(None, "endpoint_id", "at"),
)

audit = Table(
    "audit",
    metadata,
    id_column(),
    Column("tenant", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("key_id", String(64)),
    Column("action", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("address", Text),
    Index(None, "tenant", "at", "id"),
)

imports = Table(  # recordings that a connector announced, until the gateway has fetched them, and their keys afterwards
    "imports",
    metadata,
    id_column(),
    tenant_column(),
    Column("connector", String(32), nullable=False),
    Column("key_sha256", String(64), nullable=False),  # of the platform's id
    Column("group_sha256", String(64)),  # files of one meeting that become one job
    Column("status", String(16), nullable=False),
    Column("content", Text),  # encrypted; cleared at the end
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Instant),  # while an attempt runs, the end of its lease
    Column("lease", String(64)),  # of the latest attempt, and the id of the job that it creates
    Column("job_id", String(64)),  # once the job exists
    Column("error", String(64)),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    UniqueConstraint("tenant", "connector", "key_sha256"),
    Index(None, "status", "next_attempt_at"),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "group_sha256"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("method", String(8), primary_key=True),
    Column("path", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),  # None while the first request runs
    Column("body", LargeBinary),
    Column("job_id", String(64)),  # erasing the job deletes the stored response
    Column("created_at", Instant, nullable=False),
    Index(None, "created_at"),
    Index(None, "job_id"),
)

incoming_uploads = Table(
    "incoming_uploads",
    metadata,
    Column("job_id", String(64), primary_key=True),  # no foreign key: the job does not exist yet
    tenant_column(),
    Column("seen_at", Instant, nullable=False),
    Index(None, "seen_at"),
)

blob_keys = Table(
    "blob_keys",
    metadata,
    id_column(),
    Column("tenant", String(64), nullable=False),
    Column("wrapped", Text, nullable=False),  # encrypted with a key of STORAGE__ENCRYPTION_KEYS
    Column("created_at", Instant, nullable=False),
    Index(None, "tenant", "created_at"),
)

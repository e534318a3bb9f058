"""Creates the schema. Its constraints and indexes are named by the convention of the metadata."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0001"
down_revision = None

# The columns are stored in `search_utterances`; the FTS table contains only the index.
SQLITE = (
    (
        "CREATE VIRTUAL TABLE search_words USING fts5("
        "folded, content='search_utterances', content_rowid='id', tokenize='unicode61 remove_diacritics 0')"
    ),
    (
        "CREATE TRIGGER search_utterances_added AFTER INSERT ON search_utterances BEGIN "
        "INSERT INTO search_words(rowid, folded) VALUES (new.id, new.folded); END"
    ),
    (
        "CREATE TRIGGER search_utterances_gone AFTER DELETE ON search_utterances BEGIN "
        "INSERT INTO search_words(search_words, rowid, folded) VALUES ('delete', old.id, old.folded); END"
    ),
)
POSTGRESQL = "CREATE INDEX search_words ON search_utterances USING gin (to_tsvector('simple', folded))"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("at", columns.Instant(), nullable=False),
        sa.Column("key_id", sa.String(64)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Index(None, "tenant", "at", "id"),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("method", sa.String(8), primary_key=True),
        sa.Column("path", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("job_id", sa.String(64)),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Index(None, "created_at"),
        sa.Index(None, "job_id"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Instant(), nullable=False),
    )
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("payload", sa.String(16), nullable=False),
        sa.Column("header", sa.Text()),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("disabled_at", columns.Instant()),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("failing_since", columns.Instant()),
        sa.Column("slow_until", columns.Instant()),
        sa.Index(None, "job_id"),
        sa.Index(None, "tenant", "created_at", "id"),
    )
    op.create_table(
        "incoming_uploads",
        sa.Column("job_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("seen_at", columns.Instant(), nullable=False),
        sa.Index(None, "seen_at"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("request", sa.Text()),
        sa.Column("metadata", sa.Text()),
        sa.Column("consent", sa.Text()),
        sa.Column("retention", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("key_id", sa.String(64)),
        sa.Column("digest", sa.String(64)),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("started_at", columns.Instant()),
        sa.Column("finished_at", columns.Instant()),
        sa.Column("erased_at", columns.Instant()),
        sa.Column("erased_by", sa.Text()),
        sa.Column("erased_reason", sa.Text()),
        sa.Column("media_deleted_at", columns.Instant()),
        sa.Column("artifacts_deleted_at", columns.Instant()),
        sa.Column("recording_seconds", sa.Float()),
        sa.Column("media_bytes", sa.BigInteger()),
        sa.Index(None, "status", "finished_at"),
        sa.Index(None, "tenant", "created_at", "id"),
        sa.Index(None, "tenant", "digest"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("defaults", sa.Text(), nullable=False),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("expires_at", columns.Instant()),
        sa.Column("revoked_at", columns.Instant()),
        sa.Column("last_used_at", columns.Instant()),
        sa.Index(None, "tenant", "created_at"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("event_type", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("fanned_out_at", columns.Instant()),
        sa.Index(None, "fanned_out_at", "created_at"),
        sa.Index(None, "job_id"),
    )
    op.create_table(
        "corrections",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("field", sa.String(16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(64)),
        sa.Column("at", columns.Instant(), nullable=False),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("endpoint_id", sa.String(64), sa.ForeignKey("endpoints.id"), nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("event_type", sa.String(32), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", columns.Instant()),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("finished_at", columns.Instant()),
        sa.Column("lease", sa.String(64)),
        sa.Column("lease_until", columns.Instant()),
        sa.UniqueConstraint("event_id", "endpoint_id"),
        sa.Index(None, "endpoint_id", "created_at"),
        sa.Index(None, "job_id"),
        sa.Index(None, "status", "finished_at"),
        sa.Index(None, "status", "next_attempt_at"),
        sa.Index(None, "tenant", "created_at", "id"),
    )
    op.create_table(
        "search_utterances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folded_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("emotion", sa.String(16)),
        sa.Index(None, "job_id", "position"),
        sa.Index(None, "tenant", "emotion"),
    )
    op.create_table(
        "stages",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text()),
        sa.Column("lease_until", columns.Instant()),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float()),
        sa.Column("started_at", columns.Instant()),
        sa.Column("finished_at", columns.Instant()),
        sa.Column("not_before", columns.Instant()),
        sa.Column("enqueued_at", columns.Instant()),
        sa.Column("ready_at", columns.Instant()),
        sa.Index(None, "queue", "status", "enqueued_at"),
        sa.Index(None, "status", "finished_at"),
        sa.Index(None, "status", "lease_until"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("delivery_id", sa.String(64), sa.ForeignKey("deliveries.id"), nullable=False),
        sa.Column("endpoint_id", sa.String(64), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", columns.Instant(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("response_status", sa.Integer()),
        sa.Column("error", sa.String(64)),
        sa.Column("response_body", sa.Text(), nullable=False),
        sa.Column("next_attempt_at", columns.Instant()),
        sa.Index(None, "delivery_id", "at"),
        sa.Index(None, "endpoint_id", "at"),
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else (POSTGRESQL,):
        op.execute(statement)

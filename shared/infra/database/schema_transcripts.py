"""The tables of transcript corrections, share links and notes, and of utterances for full-text search."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from shared.infra.database.columns import Instant, metadata

corrections = Table(
    "corrections",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("field", String(16), nullable=False),
    Column("target", Text, nullable=False),
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
    Column("key_id", String(64)),
    Column("at", Instant, nullable=False),
    Column("edit", Integer, nullable=False),  # number of the first correction that was made together with this one
)

share_links = Table(
    "share_links",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("token_sha256", String(64), nullable=False),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("job_id", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("key_id", String(64), ForeignKey("keys.id")),
    Column("sound", Boolean, nullable=False),
    Column("emotion", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    UniqueConstraint("token_sha256"),
    Index(None, "job_id"),
    Index(None, "expires_at"),
)

notes = Table(  # that a language model wrote
    "notes",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("record", Text, nullable=False),  # JSON
)

# The full-text index is the SQLite table `search_words`, updated by triggers, or the PostgreSQL index `search_words`.
search_utterances = Table(
    "search_utterances",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False),
    Column("job_id", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("speaker", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("folded_name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("emotion", String(16)),
    Index(None, "job_id", "position"),
    Index(None, "tenant", "emotion"),
)

FULL_TEXT = "search_words"

__all__ = ["FULL_TEXT", "corrections", "metadata", "notes", "search_utterances", "share_links"]

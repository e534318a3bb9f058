"""Adds transcript corrections and the full-text search index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import schema

revision = "0003"
down_revision = "0002"

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
        "corrections",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("field", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=True),
        sa.Column("at", schema.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_corrections_job_id")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_corrections_tenant")),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_corrections")),
    )
    op.create_table(
        "search_utterances",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start", sa.Float(), nullable=False),
        sa.Column("end", sa.Float(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folded_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("emotion", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_search_utterances_job_id")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_search_utterances_tenant")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_utterances")),
    )
    op.create_index(op.f("ix_search_utterances_job_id_position"), "search_utterances", ["job_id", "position"])
    op.create_index(op.f("ix_search_utterances_tenant_emotion"), "search_utterances", ["tenant", "emotion"])
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else (POSTGRESQL,):
        op.execute(statement)

"""Adds the links that share one meeting, and the notes that a language model writes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "share_links",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("key_id", sa.String(64), sa.ForeignKey("keys.id")),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("emotion", sa.Boolean(), nullable=False),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("expires_at", columns.Instant(), nullable=False),
        sa.UniqueConstraint("token_sha256"),
        sa.Index(None, "job_id"),
        sa.Index(None, "expires_at"),
    )
    op.create_table(
        "notes",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
    )

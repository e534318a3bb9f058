"""Adds the recordings that connectors announce, and templates of webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("endpoints", sa.Column("template", sa.Text()))
    op.create_table(
        "imports",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), sa.ForeignKey("tenants.id"), nullable=False),
        sa.Column("connector", sa.String(32), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("group_sha256", sa.String(64)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("content", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", columns.Instant()),
        sa.Column("lease", sa.String(64)),
        sa.Column("job_id", sa.String(64)),
        sa.Column("error", sa.String(64)),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Column("finished_at", columns.Instant()),
        sa.UniqueConstraint("tenant", "connector", "key_sha256"),
        sa.Index(None, "status", "next_attempt_at"),
        sa.Index(None, "tenant", "created_at", "id"),
        sa.Index(None, "group_sha256"),
    )

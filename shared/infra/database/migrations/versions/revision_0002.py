"""Adds the sessions of signed-in browsers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), primary_key=True),
        sa.Column("key_id", sa.String(64), sa.ForeignKey("keys.id"), nullable=False),
        sa.Column("expires_at", columns.Instant(), nullable=False),
        sa.Index(None, "expires_at"),
    )

"""Adds the keys that encrypt the blobs of each tenant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "blob_keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("wrapped", sa.Text, nullable=False),
        sa.Column("created_at", columns.Instant(), nullable=False),
        sa.Index(None, "tenant", "created_at"),
    )

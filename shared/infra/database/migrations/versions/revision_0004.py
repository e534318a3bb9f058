"""Adds the times when retention deleted a job's media and artifacts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import schema

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for name in ("media_deleted_at", "artifacts_deleted_at"):
        op.add_column("jobs", sa.Column(name, schema.Instant(), nullable=True))

"""Adds columns and indexes for metrics: when a stage became ready, recording length, recently finished rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import schema

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("recording_seconds", sa.Float(), nullable=True))
    op.add_column("stages", sa.Column("ready_at", schema.Instant(), nullable=True))
    for table, state in (("jobs", "status"), ("stages", "status"), ("deliveries", "status")):
        op.create_index(op.f(f"ix_{table}_{state}_finished_at"), table, [state, "finished_at"])

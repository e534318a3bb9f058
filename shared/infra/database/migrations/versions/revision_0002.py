"""Adds uploads in progress and a job's retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("retention", sa.Text(), nullable=True))
    op.create_table(
        "incoming_uploads",
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("seen_at", schema.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_incoming_uploads_tenant")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_incoming_uploads")),
    )
    with op.batch_alter_table("incoming_uploads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_incoming_uploads_seen_at"), ["seen_at"], unique=False)

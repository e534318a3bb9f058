"""Adds the retention periods of tenants, and the reports of the engines on each machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.infra.database import columns

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("tenants", sa.Column("retention", sa.Text()))
    op.create_table(
        "engine_reports",
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("at", columns.Instant(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
    )

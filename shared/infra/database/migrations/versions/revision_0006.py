"""Adds the media size for tenant quotas; existing recordings count as 0 bytes until they are deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("media_bytes", sa.BigInteger(), nullable=True))

"""What a tenant's quota is counted by. Recordings from before count as nothing until they are gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("media_bytes", sa.BigInteger(), nullable=True))

"""Groups corrections that were made together; each earlier correction is an edit of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("corrections", sa.Column("edit", sa.Integer))
    op.execute("UPDATE corrections SET edit = number")
    with op.batch_alter_table("corrections") as corrections:
        corrections.alter_column("edit", existing_type=sa.Integer, nullable=False)

"""Keeps content out of PostgreSQL's statistics, which store values of columns and would outlive an erased job."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

CONTENT = {
    "jobs": ("request", "metadata", "consent", "error"),
    "search_utterances": ("speaker", "name", "folded_name", "text", "folded"),
    "corrections": ("target", "old", "new"),
    "deliveries": ("body",),
    "attempts": ("response_body",),
    "idempotency": ("body",),
    "endpoints": ("url",),
    "imports": ("content",),
    "notes": ("record",),
}


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in CONTENT.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
    op.execute("ALTER INDEX search_words ALTER COLUMN 1 SET STATISTICS 0")

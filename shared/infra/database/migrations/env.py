"""Alembic environment; it uses the connection from the configuration instead of a database URL."""

from __future__ import annotations

from alembic import context

from shared.infra.database.schema_transcripts import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    user_module_prefix="columns.",
)
context.run_migrations()

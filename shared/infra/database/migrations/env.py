"""How Alembic reaches the database: through the connection that it is handed, never by an address of its own."""

from __future__ import annotations

from alembic import context

from shared.infra.database.schema_transcripts import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    user_module_prefix="schema.",
)
context.run_migrations()

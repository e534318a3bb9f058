"""`undertone keys`: create, list and revoke the API keys of this deployment's tenants."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.cli.table import AsJson, plain_table
from shared.domain.tenant import ApiKey, Scope
from shared.infra.key_verifier import make_key
from shared.infra.settings import DatabaseSettings, StorageSettings

if TYPE_CHECKING:
    from shared.infra.database.keys import SqlKeyStore

keys = typer.Typer(help="The API keys of the service.", no_args_is_help=True)

EVERYTHING_BUT_ADMIN: list[Scope] = [scope for scope in Scope if scope is not Scope.ADMIN]
Tenant = Annotated[str, typer.Option(help="The tenant of the key; created if it does not exist.")]


@contextmanager
def _opened() -> Iterator[SqlKeyStore]:
    # Imported here because the database libraries would slow down every other command.
    from shared.infra.database.keys import SqlKeyStore  # noqa: PLC0415
    from shared.infra.storage_factory import open_database_for  # noqa: PLC0415

    database = open_database_for(DatabaseSettings(), StorageSettings())
    try:
        yield SqlKeyStore(database)
    finally:
        database.close()


@keys.command("create")
def create_key(
    tenant: Tenant = "default",
    scope: Annotated[
        list[Scope], typer.Option(help="A scope of the key; repeat for several.", show_default="all but admin")
    ] = EVERYTHING_BUT_ADMIN,
    name: Annotated[str, typer.Option(help="A name for the key.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if omitted.")] = None,
) -> None:
    """Create a key and print it: it is shown only once and stored as a hash."""
    now = datetime.now(UTC)
    expires = now + timedelta(days=days) if days else None
    text, key = make_key(tenant, scope, now, name=name, expires_at=expires)
    with _opened() as store:
        store.ensure_tenant(tenant)
        store.add(key)
    Console(stderr=True).print(
        f"A key of {tenant} for {', '.join(sorted(key.scopes))}; save it, it is not shown again."
    )
    sys.stdout.write(text + "\n")


@keys.command("list")
def list_keys(tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """List the tenant's keys, without their secrets."""
    with _opened() as store:
        stored = store.list(tenant)
    if as_json:
        rows = [key.model_dump(mode="json", exclude={"secret_sha256"}) for key in stored]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = plain_table("id", "name", "scopes", "created", "last used", "status")
    for key in stored:
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never"
        state = "[green]valid[/green]" if key.usable(datetime.now(UTC)) else _key_status(key)
        table.add_row(key.id, key.name, " ".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d}", used, state)
    Console().print(table)


def _key_status(key: ApiKey) -> str:
    return "[red]revoked[/red]" if key.revoked_at else "[yellow]expired[/yellow]"


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The id from `undertone keys list`.")], tenant: Tenant = "default"
) -> None:
    """Revoke a key; it is rejected from now on."""
    with _opened() as store:
        store.revoke(tenant, key_id)
    Console(stderr=True).print(f"The key {key_id} is revoked.", highlight=False)


@keys.command("seal")
def seal() -> None:
    """Print a new key for SECRETS__KEYS, which encrypts webhook secrets in the database."""
    from shared.infra.secret_encryption import new_key  # noqa: PLC0415

    sys.stdout.write(new_key() + "\n")

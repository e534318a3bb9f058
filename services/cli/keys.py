"""`undertone keys`: make, list and revoke the keys of this deployment's tenants."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared.domain.tenant import ApiKey, Scope
from shared.infra.keys import make_key
from shared.infra.settings import DatabaseSettings, StorageSettings

if TYPE_CHECKING:
    from shared.infra.database.keys import SqlKeyStore

keys = typer.Typer(help="The keys that callers of the service need.", no_args_is_help=True)

EVERYTHING_BUT_ADMIN: list[Scope] = [scope for scope in Scope if scope is not Scope.ADMIN]
Tenant = Annotated[str, typer.Option(help="Whose key it is; made if it is not there yet.")]


@contextmanager
def _opened() -> Iterator[SqlKeyStore]:
    # Here and not above: opening a database takes libraries that no other command should wait for.
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
        list[Scope], typer.Option(help="What it may do; repeat for several.", show_default="all but admin")
    ] = EVERYTHING_BUT_ADMIN,
    name: Annotated[str, typer.Option(help="A word to tell it by.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if left out.")] = None,
) -> None:
    """Make a key and print it: it is shown this once and kept as a hash."""
    now = datetime.now(UTC)
    expires = now + timedelta(days=days) if days else None
    text, key = make_key(tenant, scope, now, name=name, expires_at=expires)
    with _opened() as store:
        store.ensure_tenant(tenant)
        store.add(key)
    Console(stderr=True).print(
        f"A key of {tenant} for {', '.join(sorted(key.scopes))}; keep it, it is not shown again."
    )
    sys.stdout.write(text + "\n")


@keys.command("list")
def list_keys(
    tenant: Tenant = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """The tenant's keys; their secrets are not known to anyone but their owners."""
    with _opened() as store:
        found = store.list(tenant)
    if as_json:
        rows = [key.model_dump(mode="json", exclude={"secret_sha256"}) for key in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("id", "name", "scopes", "created", "last used", "status"):
        table.add_column(heading)
    for key in found:
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never"
        state = "[green]valid[/green]" if key.usable(datetime.now(UTC)) else _key_status(key)
        table.add_row(key.id, key.name, " ".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d}", used, state)
    Console().print(table)


def _key_status(key: ApiKey) -> str:
    return "[red]revoked[/red]" if key.revoked_at else "[yellow]expired[/yellow]"


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The id that `undertone keys list` shows.")], tenant: Tenant = "default"
) -> None:
    """From now on the key is refused."""
    with _opened() as store:
        store.revoke(tenant, key_id)
    Console(stderr=True).print(f"The key {key_id} is revoked.", highlight=False)


@keys.command("seal")
def seal() -> None:
    """Print a new key for SECRETS__KEYS, which encrypts webhook secrets in the database."""
    from shared.infra.secret_encryption import new_key  # noqa: PLC0415

    sys.stdout.write(new_key() + "\n")

"""`undertone encryption`: rotate and destroy the keys that encrypt the stored files of this deployment's tenants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shared.domain.error import InvalidSetting, NotFound
from shared.domain.tenant import AuditEntry
from shared.infra.settings import DatabaseSettings, StorageSettings

if TYPE_CHECKING:
    from shared.infra.blob_rotation import BlobRotation

encryption = typer.Typer(help="The encryption of stored files.", no_args_is_help=True)


@contextmanager
def _opened() -> Iterator[BlobRotation]:
    # Imported here because the database libraries would slow down every other command.
    from shared.infra.blob_rotation import BlobRotation  # noqa: PLC0415
    from shared.infra.blobs_encrypted import EncryptedBlobs  # noqa: PLC0415
    from shared.infra.storage_factory import (  # noqa: PLC0415
        ENCRYPTION_KEYS,
        open_blob_keys,
        open_database_for,
        open_unencrypted_blobs,
    )

    storage = StorageSettings()
    database = open_database_for(DatabaseSettings(), storage)
    try:
        keys = open_blob_keys(storage, database)
        if keys is None:
            raise InvalidSetting(
                "This deployment does not encrypt its files.",
                hint=f"Set {ENCRYPTION_KEYS}; `undertone keys seal` prints a key.",
            )
        yield BlobRotation(database, EncryptedBlobs(open_unencrypted_blobs(storage), keys), keys)
    finally:
        database.close()


@encryption.command("rotate")
def rotate(
    new_keys: Annotated[bool, typer.Option(help="First give every tenant a new key.")] = False,
) -> None:
    """Encrypt the tenants' keys with the newest master key, and files with their tenant's newest key.

    Files that are not encrypted yet are encrypted. The services may run. Repeat an interrupted run without --new-keys.
    """
    from shared.infra.database.keys import SqlKeyStore  # noqa: PLC0415

    console = Console(stderr=True)
    with _opened() as rotation:
        console.print(f"{rotation.keys.wrap_again()} keys encrypted with the newest master key.", highlight=False)
        for tenant in SqlKeyStore(rotation.database).tenants():
            if new_keys:
                rotation.keys.create(tenant)
            done = rotation.rotate(tenant)
            later = f", {done.skipped} skipped because their job has not ended: run it again later"
            lost = f", {done.unreadable} unreadable because their key was destroyed"
            console.print(
                f"{tenant}: {done.encrypted} files encrypted{later if done.skipped else ''}"
                f"{lost if done.unreadable else ''}.",
                highlight=False,
            )


@encryption.command("destroy")
def destroy(
    tenant: Annotated[str, typer.Argument(help="The tenant whose files become unreadable.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy all keys of a tenant: its stored files can never be read again. A new file gets a new key."""
    if not yes:
        typer.confirm(f"Destroy the keys of {tenant}? Its recordings and transcripts are then lost.", abort=True)
    from shared.infra.database.audit_log import SqlAuditLog  # noqa: PLC0415

    with _opened() as rotation:
        database = rotation.database
        destroyed = rotation.keys.destroy(tenant)
        if not destroyed:
            raise NotFound(f"The tenant {tenant} has no key.")
        database.purge_deleted()
        entry = AuditEntry(
            tenant=tenant, at=database.now, key_id=None, action="encryption.keys_destroyed", subject=tenant
        )
        SqlAuditLog(database).record(entry)
    Console(stderr=True).print(f"{destroyed} keys of {tenant} are destroyed.", highlight=False)

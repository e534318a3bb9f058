"""The key that lets an operator in when the service starts for the first time: made once, shown once."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from shared.domain.tenant import Scope
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import make_key
from shared.infra.settings import DatabaseSettings, StorageSettings
from shared.infra.state import database_of

TENANT = "default"
NAME = "first start"


def first_key(folder: Path) -> str | None:
    """The key's text, or None where there is one already; gateways that start together take turns."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / ".first-key", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        database = database_of(DatabaseSettings(), StorageSettings())
        try:
            store = SqlKeyStore(database)
            if store.any_usable():
                return None
            text, key = make_key(TENANT, list(Scope), database.now, name=NAME)
            store.ensure_tenant(TENANT)
            store.add(key)
            return text
        finally:
            database.close()
    finally:
        os.close(lock)

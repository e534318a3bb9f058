"""Creates the first API key of a new gateway, so that its operator can use it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from shared.domain.tenant import Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.startup import log_format, write_line

ARGUMENT = "--first-key"
TENANT = "default"
NAME = "first start"
TEXT = """
  The first start: this key may do everything. It is shown only once.

      {key}

  Create others with `undertone keys create` and revoke this one. If the log shows several such keys, the last is valid.

"""


def make_first_key(folder: Path, database: Database, show: Callable[[str], object]) -> None:
    """Show a new key and then store it, if there is none yet; a lock serializes gateways that start together.

    A process that is killed between the two has shown a key that is not valid, and the next start shows another.
    In the other order a key could exist that was never shown, and no later start would create another.
    """
    lock = os.open(folder / ".first-key", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        store = SqlKeyStore(database)
        if store.any_usable():
            return
        store.ensure_tenant(TENANT)
        text, key = make_key(TENANT, list(Scope), database.now, name=NAME)
        show(text)
        store.add(key)
    finally:
        os.close(lock)


def show_in_log(key: str) -> None:
    message = "The first start: this key may do everything. If the log shows several such keys, the last is valid."
    write_line("gateway.first_key", TEXT.format(key=key), log_format(), key=key, message=message)

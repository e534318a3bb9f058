"""Stores the sessions of signed-in browsers: each has the rights of the key that started it, until it expires."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select

from shared.domain.tenant import ApiKey
from shared.infra.database.engine import Database
from shared.infra.database.keys import read_key
from shared.infra.database.schema import keys, sessions

DURATION = timedelta(hours=12)
TOKEN_BYTES = 32


class SqlSessionStore:
    """Only the hash of a token is stored, so that a copy of the database opens no session."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, key: ApiKey) -> str:
        """The token of a new session. Expired sessions of all keys are deleted."""
        token, now = secrets.token_urlsafe(TOKEN_BYTES), self._database.now
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            connection.execute(
                insert(sessions).values(token_sha256=_hash(token), key_id=key.id, expires_at=now + DURATION)
            )
        return token

    def find(self, token: str) -> ApiKey | None:
        """The key of the session; None if the session has ended or the key has become invalid."""
        now = self._database.now
        query = select(keys).join(sessions, sessions.c.key_id == keys.c.id)
        query = query.where(sessions.c.token_sha256 == _hash(token), sessions.c.expires_at > now)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        key = None if row is None else read_key(row)
        return key if key is not None and key.usable(now) else None

    def end(self, token: str) -> None:
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_sha256 == _hash(token)))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()

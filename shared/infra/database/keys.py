"""Stores tenants and their API keys in the database."""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import RowMapping, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.domain.error import NotFound
from shared.domain.tenant import ApiKey, Tenant
from shared.infra.database.engine import Database
from shared.infra.database.rows import read_row
from shared.infra.database.schema import keys, tenants

LAST_USED_RESOLUTION = timedelta(minutes=1)  # avoids a write on every request


class SqlKeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_tenant(self, tenant: str, name: str = "") -> Tenant:
        """The tenant, created if it does not exist."""
        query = select(tenants).where(tenants.c.id == tenant)
        with self._database.writing_exclusively("tenants") as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                connection.execute(insert(tenants).values(id=tenant, name=name, created_at=self._database.now))
                row = connection.execute(query).mappings().one()
            return read_row(Tenant, row)

    def tenants(self) -> tuple[str, ...]:
        with self._database.reading() as connection:
            return tuple(connection.execute(select(tenants.c.id).order_by(tenants.c.id)).scalars())

    def add(self, key: ApiKey) -> None:
        with self._database.writing() as connection:
            try:
                connection.execute(
                    insert(keys).values(
                        id=key.id,
                        tenant=key.tenant,
                        name=key.name,
                        secret_sha256=key.secret_sha256,
                        scopes=" ".join(sorted(key.scopes)),
                        defaults=json.dumps(dict(key.defaults)),
                        created_at=key.created_at,
                        expires_at=key.expires_at,
                    )
                )
            except IntegrityError:
                raise NotFound(f"The tenant {key.tenant} does not exist, or the key id is already used.") from None

    def find(self, key_id: str) -> ApiKey | None:
        """The key with this id, of any tenant; it determines the tenant of a request."""
        with self._database.reading() as connection:
            row = connection.execute(select(keys).where(keys.c.id == key_id)).mappings().one_or_none()
            return None if row is None else read_key(row)

    def any_usable(self) -> bool:
        """Whether any usable key exists."""
        valid = or_(keys.c.expires_at.is_(None), keys.c.expires_at > self._database.now)
        query = select(keys.c.id).where(keys.c.revoked_at.is_(None), valid).limit(1)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def record_use(self, key_id: str) -> None:
        """Store the time of the last use, to the minute."""
        now = self._database.now
        stale = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at <= now - LAST_USED_RESOLUTION)
        with self._database.reading() as connection:
            if connection.execute(select(keys.c.id).where(keys.c.id == key_id, stale)).first() is None:
                return
        with self._database.writing() as connection:
            connection.execute(update(keys).where(keys.c.id == key_id).values(last_used_at=now))

    def list(self, tenant: str) -> tuple[ApiKey, ...]:
        query = select(keys).where(keys.c.tenant == tenant).order_by(keys.c.created_at, keys.c.id)
        with self._database.reading() as connection:
            return tuple(read_key(row) for row in connection.execute(query).mappings())

    def revoke(self, tenant: str, key_id: str) -> ApiKey:
        """Revoke the key; raises NotFound for another tenant's key. Idempotent."""
        own = (keys.c.tenant == tenant, keys.c.id == key_id)
        with self._database.writing() as connection:
            connection.execute(
                update(keys).where(*own, keys.c.revoked_at.is_(None)).values(revoked_at=self._database.now)
            )
            row = connection.execute(select(keys).where(*own)).mappings().one_or_none()
            if row is None:
                raise NotFound("There is no such key.", hint="`undertone keys list` lists the keys.")
            return read_key(row)


def read_key(row: RowMapping) -> ApiKey:
    return read_row(ApiKey, row, scopes=row["scopes"].split(), defaults=json.loads(row["defaults"]))

"""Stores the keys that encrypt the blobs of each tenant, themselves encrypted with a master key of the deployment."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, insert, select, update

from shared.domain.error import EncryptionKeyMissing
from shared.infra.blob_encryption import ID_BYTES, BlobKey
from shared.infra.database.engine import Database
from shared.infra.database.schema import blob_keys
from shared.infra.secret_encryption import KEY_BYTES, SecretCipher


def has_blob_keys(database: Database) -> bool:
    """Whether blobs of this deployment are or were encrypted."""
    with database.reading() as connection:
        return bool(connection.execute(select(exists().where(blob_keys.c.id.is_not(None)))).scalar())


class SqlBlobKeys:
    """The newest key of a tenant encrypts; the older ones decrypt until a rotation has replaced them."""

    def __init__(self, database: Database, cipher: SecretCipher) -> None:
        self._database = database
        self._cipher = cipher

    def newest(self, tenant: str) -> BlobKey:
        """The key that encrypts, created if the tenant has none."""
        query = select(blob_keys).where(blob_keys.c.tenant == tenant).order_by(blob_keys.c.created_at.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return self.create(tenant) if row is None else self._unwrapped(row.id, row.wrapped)

    def create(self, tenant: str) -> BlobKey:
        """A new key, which encrypts from now on, also if the clock was set back since the last one."""
        key = BlobKey(secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES))
        last = select(func.max(blob_keys.c.created_at)).where(blob_keys.c.tenant == tenant)
        with self._database.writing() as connection:
            before = connection.execute(last).scalar()
            now = self._database.now
            connection.execute(
                insert(blob_keys).values(
                    id=key.id,
                    tenant=tenant,
                    wrapped=self._cipher.encrypt(base64.b64encode(key.secret).decode(), key.id),
                    created_at=now if before is None else max(now, before + timedelta(microseconds=1)),
                )
            )
        return key

    def find(self, tenant: str, key_id: str) -> BlobKey:
        query = select(blob_keys.c.wrapped).where(blob_keys.c.id == key_id, blob_keys.c.tenant == tenant)
        with self._database.reading() as connection:
            wrapped = connection.execute(query).scalar()
        if wrapped is None:
            raise EncryptionKeyMissing(
                "A file was encrypted with a key that the database does not contain.",
                hint="The key was destroyed, or the database is older than the files: restore both from one backup.",
            )
        return self._unwrapped(key_id, wrapped)

    def check(self) -> None:
        """Raise EncryptionKeyMissing if the master key of any stored key is missing."""
        with self._database.reading() as connection:
            rows = connection.execute(select(blob_keys)).all()
        for row in rows:
            self._unwrapped(row.id, row.wrapped)

    def wrap_again(self) -> int:
        """Encrypt the stored keys with the newest master key, and return how many were not."""
        with self._database.reading() as connection:
            rows = connection.execute(select(blob_keys)).all()
        old = [row for row in rows if not self._cipher.uses_newest_key(row.wrapped)]
        for row in old:
            wrapped = self._cipher.encrypt(self._cipher.decrypt(row.wrapped, row.id), row.id)
            self._database.execute_alone(update(blob_keys).where(blob_keys.c.id == row.id).values(wrapped=wrapped))
        return len(old)

    def delete_replaced(self, tenant: str, before: datetime) -> int:
        """Delete all keys of a tenant but the newest, if that one encrypts since before this time."""
        newest = select(blob_keys.c.id, blob_keys.c.created_at).where(blob_keys.c.tenant == tenant)
        with self._database.writing() as connection:
            row = connection.execute(newest.order_by(blob_keys.c.created_at.desc()).limit(1)).one_or_none()
            if row is None or row.created_at >= before:
                return 0
            replaced = delete(blob_keys).where(blob_keys.c.tenant == tenant, blob_keys.c.id != row.id)
            return connection.execute(replaced).rowcount

    def destroy(self, tenant: str) -> int:
        """Delete every key of a tenant: nothing that they encrypted can be read again."""
        with self._database.writing() as connection:
            return connection.execute(delete(blob_keys).where(blob_keys.c.tenant == tenant)).rowcount

    def _unwrapped(self, key_id: str, wrapped: str) -> BlobKey:
        return BlobKey(key_id, base64.b64decode(self._cipher.decrypt(wrapped, key_id)))

"""Stores share links: each gives access to one meeting until it expires, is revoked, or loses its key or its job."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, insert, select

from shared.domain.error import NotFound
from shared.domain.share_link import ShareLink
from shared.domain.tenant import AuditEntry
from shared.infra.database.audit_log import insert_audit_entry
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import lock_present_job
from shared.infra.database.keys import read_key
from shared.infra.database.rows import read_row
from shared.infra.database.schema import keys
from shared.infra.database.schema_transcripts import share_links

TOKEN_BYTES = 32


class SqlShareLinkStore:
    """Only the hash of a token is stored, so that a copy of the database opens no meeting."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, link: ShareLink, entry: AuditEntry) -> str:
        """Store the link and return its token. Expired links of all jobs are deleted."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self._database.writing() as connection:
            lock_present_job(connection, link.tenant, link.job_id)
            connection.execute(delete(share_links).where(share_links.c.expires_at <= self._database.now))
            connection.execute(insert(share_links).values(token_sha256=_hash(token), **link.model_dump()))
            insert_audit_entry(connection, entry)
        return token

    def find(self, token: str) -> ShareLink | None:
        """The link of this token; None if there is none, or it has ended, or the key of its creator has."""
        now = self._database.now
        query = select(share_links).where(share_links.c.token_sha256 == _hash(token), share_links.c.expires_at > now)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                return None
            if row["key_id"] is not None:
                key = connection.execute(select(keys).where(keys.c.id == row["key_id"])).mappings().one()
                if not read_key(key).usable(now):
                    return None
        return read_row(ShareLink, row)

    def list(self, tenant: str, job_id: str) -> tuple[ShareLink, ...]:
        """The links that have not ended, in the order of their creation."""
        own = (share_links.c.tenant == tenant, share_links.c.job_id == job_id)
        query = select(share_links).where(*own, share_links.c.expires_at > self._database.now)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(share_links.c.created_at, share_links.c.id)).mappings()
            return tuple(read_row(ShareLink, row) for row in rows)

    def revoke(self, tenant: str, job_id: str, link_id: str, entry: AuditEntry) -> None:
        own = (share_links.c.tenant == tenant, share_links.c.job_id == job_id, share_links.c.id == link_id)
        with self._database.writing() as connection:
            if not connection.execute(delete(share_links).where(*own)).rowcount:
                raise NotFound("There is no such link.", hint="It may have expired, or been revoked before.")
            insert_audit_entry(connection, entry)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()

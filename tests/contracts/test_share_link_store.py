"""Contract tests of the store of share links: a link ends with its time, its key, its job, and its revocation."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from shared.domain.error import NotFound
from shared.domain.share_link import ShareLink
from shared.domain.tenant import AuditEntry, Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.schema_transcripts import share_links
from shared.infra.database.share_links import SqlShareLinkStore
from shared.infra.key_verifier import make_key
from tests.service_fakes import MINUTE, MovableClock, new_job

HOUR = timedelta(hours=1)


@pytest.fixture
def links(database: Database) -> SqlShareLinkStore:
    return SqlShareLinkStore(database)


@pytest.fixture
def job_id(database: Database) -> str:
    return SqlJobStore(database).add("ours", new_job()).id


def link(job_id: str, clock: MovableClock, *, hours: float = 1, key_id: str | None = None) -> ShareLink:
    return ShareLink(
        id=uuid4().hex,
        tenant="ours",
        job_id=job_id,
        key_id=key_id,
        sound=True,
        emotion=False,
        created_at=clock.now,
        expires_at=clock.now + hours * HOUR,
    )


def entry(clock: MovableClock, action: str) -> AuditEntry:
    return AuditEntry(tenant="ours", at=clock.now, key_id=None, action=action, subject="job")


def test_a_token_opens_its_link_and_only_its_hash_is_stored(
    links: SqlShareLinkStore, database: Database, job_id: str, clock: MovableClock
) -> None:
    made, other = link(job_id, clock), link(job_id, clock)
    token, second = links.add(made, entry(clock, "link.created")), links.add(other, entry(clock, "link.created"))
    assert len(token) >= 43 and token != second
    assert links.find(token) == made and links.find(second) == other
    assert links.find(token[:-1]) is None and links.find("") is None and links.find("\ud800") is None
    assert links.list("ours", job_id) == tuple(sorted((made, other), key=lambda one: one.id))
    assert links.list("theirs", job_id) == () == links.list("ours", "another job")
    with database.reading() as connection:
        stored = str(connection.execute(select(share_links)).all())
    assert token not in stored and second not in stored
    assert [one.action for one in SqlAuditLog(database).list("ours").items] == ["link.created"] * 2


def test_a_link_expires(links: SqlShareLinkStore, job_id: str, clock: MovableClock, database: Database) -> None:
    token = links.add(link(job_id, clock), entry(clock, "link.created"))
    clock.move(HOUR - MINUTE)
    assert links.find(token) is not None
    clock.move(MINUTE)
    assert links.find(token) is None and links.list("ours", job_id) == ()
    links.add(link(job_id, clock), entry(clock, "link.created"))
    with database.reading() as connection:
        assert len(connection.execute(select(share_links)).all()) == 1, "expired links are deleted"


def test_a_revoked_link_opens_nothing(
    links: SqlShareLinkStore, job_id: str, clock: MovableClock, database: Database
) -> None:
    made = link(job_id, clock)
    token, gone = links.add(made, entry(clock, "link.created")), entry(clock, "link.revoked")
    for tenant, job, link_id in (("theirs", job_id, made.id), ("ours", "another", made.id), ("ours", job_id, "x")):
        with pytest.raises(NotFound):
            links.revoke(tenant, job, link_id, gone)
    assert links.find(token) == made
    links.revoke("ours", job_id, made.id, gone)
    assert links.find(token) is None
    with pytest.raises(NotFound):
        links.revoke("ours", job_id, made.id, gone)
    assert [one.action for one in SqlAuditLog(database).list("ours").items].count("link.revoked") == 1


def test_a_link_ends_with_the_key_of_its_creator(
    links: SqlShareLinkStore, job_id: str, clock: MovableClock, database: Database
) -> None:
    end = clock.now + 2 * HOUR
    keys = [make_key("ours", {Scope.ADMIN}, clock.now, expires_at=end)[1] for _ in range(2)]
    for key in keys:
        SqlKeyStore(database).add(key)
    first, second = (
        links.add(link(job_id, clock, hours=9, key_id=key.id), entry(clock, "link.created")) for key in keys
    )
    SqlKeyStore(database).revoke("ours", keys[0].id)
    assert links.find(first) is None and links.find(second) is not None
    clock.move(2 * HOUR)
    assert links.find(second) is None


def test_links_are_deleted_with_their_job(
    links: SqlShareLinkStore, job_id: str, clock: MovableClock, database: Database
) -> None:
    links.add(link(job_id, clock), entry(clock, "link.created"))
    SqlJobStore(database).erase("ours", job_id, by="test", reason="asked")
    with pytest.raises(NotFound):
        links.add(link(job_id, clock), entry(clock, "link.created"))
    SqlErasureStore(database).finish("ours", job_id)
    with database.reading() as connection:
        assert connection.execute(select(share_links)).all() == []

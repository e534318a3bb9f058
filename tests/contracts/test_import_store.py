"""Contract tests of the import store: each recording once, and one attempt at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from shared.domain.import_record import ImportRecord, ImportStatus
from shared.infra.database.engine import Database
from shared.infra.database.imports import SqlImportStore
from tests.service_fakes import MINUTE, MovableClock

LEASE = 5 * MINUTE


@pytest.fixture
def store(database: Database) -> SqlImportStore:
    return SqlImportStore(database)


def record(clock: MovableClock, name: str, tenant: str = "ours", wait: timedelta = timedelta(0)) -> ImportRecord:
    at = clock.now
    return ImportRecord(
        id=name, tenant=tenant, connector="zoom", content="sealed", next_attempt_at=at + wait, created_at=at
    )


def test_a_key_is_stored_once_for_each_tenant(store: SqlImportStore, clock: MovableClock) -> None:
    assert store.add(record(clock, "a"), "key")
    assert not store.add(record(clock, "b"), "key")
    assert store.add(record(clock, "c", "theirs"), "key")
    found = store.find("ours", "zoom", "key")
    assert found is not None and found.id == "a" and store.find("ours", "zoom", "other") is None
    with pytest.raises(IntegrityError):
        store.add(record(clock, "d", "nobody"), "key")


def test_an_import_is_leased_to_one_attempt_until_the_lease_ends(store: SqlImportStore, clock: MovableClock) -> None:
    assert not store.any_due() and store.claim(LEASE) is None
    store.add(record(clock, "a"), "key")
    assert store.any_due()
    first = store.claim(LEASE)
    assert first is not None and not store.any_due() and store.claim(LEASE) is None
    clock.move(4 * MINUTE)
    assert store.renew(first.lease, LEASE)
    clock.move(4 * MINUTE)
    assert store.claim(LEASE) is None and store.is_current(first.lease)
    clock.move(2 * MINUTE)
    second = store.claim(LEASE)
    assert second is not None and second.records[0].lease == first.lease and second.records[0].attempts == 1
    assert not store.is_current(first.lease) and not store.renew(first.lease, LEASE)
    assert not store.finish(first.lease, job_id=first.lease)
    assert store.finish(second.lease, job_id=second.lease)
    (done,) = store.list("ours").items
    assert (done.status, done.job_id, done.content, done.next_attempt_at) == (
        ImportStatus.DONE,
        second.lease,
        None,
        None,
    )
    assert not store.renew(second.lease, LEASE) and not store.list("theirs").items


def test_a_postponed_import_is_due_later(store: SqlImportStore, clock: MovableClock) -> None:
    store.add(record(clock, "a"), "key")
    claim = store.claim(LEASE)
    assert claim is not None
    store.postpone(claim.lease, clock.now + MINUTE, error="timeout", job_id="job")
    (one,) = store.list("ours").items
    assert (one.attempts, one.error, one.job_id, store.any_due()) == (1, "timeout", "job", False)
    clock.move(MINUTE)
    claim = store.claim(LEASE)
    assert claim is not None
    store.postpone(claim.lease, clock.now, tried=False)
    assert store.list("ours").items[0].attempts == 1
    claim = store.claim(LEASE)
    assert claim is not None and store.finish(claim.lease, error="gone")
    (one,) = store.list("ours").items
    assert (one.status, one.error, one.job_id) == (ImportStatus.FAILED, "gone", "job")


def test_files_of_a_group_wait_for_each_other_and_are_claimed_together(
    store: SqlImportStore, clock: MovableClock
) -> None:
    store.add(record(clock, "a", wait=MINUTE), "1", "room")
    store.add(record(clock, "x", wait=MINUTE), "3", "other room")
    clock.move(MINUTE / 2)
    store.add(record(clock, "b", wait=MINUTE), "2", "room")
    clock.move(MINUTE / 2)
    other = store.claim(LEASE)
    assert other is not None and [one.id for one in other.records] == ["x"]
    assert store.claim(LEASE) is None
    clock.move(MINUTE / 2)
    claim = store.claim(LEASE)
    assert claim is not None and [one.id for one in claim.records] == ["a", "b"]
    assert store.finish(claim.lease, job_id=claim.lease)
    assert [one.status for one in store.list("ours").items] == ["done", "pending", "done"]


def test_an_upload_that_is_repeated_takes_over(store: SqlImportStore, clock: MovableClock) -> None:
    store.add(record(clock, "a").model_copy(update={"next_attempt_at": None, "lease": "first"}), "key")
    assert not store.any_due() and store.is_current("first")
    assert store.take_over("ours", "zoom", "key", "second") and not store.is_current("first")
    store.finish("second", error="malformed_body")
    assert store.take_over("ours", "zoom", "key", "third") and store.is_current("third")
    store.finish("third", job_id="third")
    assert not store.take_over("ours", "zoom", "key", "fourth")


def test_imports_are_listed_in_pages(store: SqlImportStore, clock: MovableClock) -> None:
    for name in ("a", "b", "c"):
        store.add(record(clock, name), name)
        clock.move(MINUTE)
    first = store.list("ours", limit=2)
    second = store.list("ours", limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.items, *second.items)] == ["c", "b", "a"] and second.next_cursor is None

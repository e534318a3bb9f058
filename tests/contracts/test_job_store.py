"""Contract tests of job stores: pages, cancel, retry, quotas, and erasure that leaves an erasure record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from shared.domain.error import InvalidRequest, LeaseLost, NotFound, QuotaExceeded, StateConflict
from shared.domain.governance import Consent
from shared.domain.job_record import JobFailure, JobFilter, JobRecord, JobStatus, JobTime
from shared.domain.page import Cursor
from shared.domain.retention import RetentionCategory
from shared.domain.work import Refusal, StageStatus
from shared.infra.database.columns import metadata
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import MAX_PER_PAGE, SqlJobStore
from shared.infra.database.work import SqlWorkStore
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def work(database: Database) -> SqlWorkStore:
    return SqlWorkStore(database)


@pytest.fixture
def erasures(database: Database) -> SqlErasureStore:
    return SqlErasureStore(database)


def test_job_is_returned_as_submitted(store: SqlJobStore) -> None:
    new = new_job(metadata={"meeting": 7}, consent=Consent(participants_informed=True), key_id="k1", digest="d")
    record = store.add("ours", new)
    assert store.find("ours", record.id) == record
    assert (record.job, record.metadata, record.consent, record.key_id) == (
        new.job,
        new.metadata,
        new.consent,
        new.key_id,
    )
    assert (record.status, record.progress) == (JobStatus.QUEUED, 0)
    assert [stage.status for stage in record.stages] == [StageStatus.PENDING, *[StageStatus.WAITING] * 3]
    assert [stage.needs for stage in record.stages] == [stage.needs for stage in new.stages]


def test_another_tenants_job_is_reported_as_not_found(store: SqlJobStore) -> None:
    record = store.add("theirs", new_job())
    assert store.find("ours", record.id) is None
    assert store.erasure_record("ours", record.id) is None
    assert store.list("ours").items == ()
    for action in (store.cancel, store.retry):
        with pytest.raises(NotFound) as unknown:
            action("ours", "0" * 32)
        with pytest.raises(NotFound) as foreign:
            action("ours", record.id)
        assert foreign.value.message == unknown.value.message
    with pytest.raises(NotFound):
        store.erase("ours", record.id, by="k1", reason="requested")
    assert store.find("theirs", record.id) == record


def test_pages_list_every_job_once_from_newest_to_oldest(store: SqlJobStore, clock: MovableClock) -> None:
    records = []
    for number in range(7):
        records.append(store.add("ours", new_job(ONE_STAGE)))
        if number % 2:  # jobs with the same time are ordered by id
            clock.move(timedelta(microseconds=1))
    expected = sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)
    seen: list[JobRecord] = []
    cursor = None
    for count in (3, 3, 1):
        page = store.list("ours", cursor=cursor, limit=3)
        assert len(page.items) == count
        seen += page.items
        cursor = page.next_cursor
        clock.move(MINUTE)
        store.add("ours", new_job(ONE_STAGE))  # a newer job does not shift the pages
    assert cursor is None
    assert seen == expected
    with pytest.raises(InvalidRequest):
        store.list("ours", cursor="invalid")


def test_newer_jobs_are_the_nearest_ones(store: SqlJobStore, clock: MovableClock) -> None:
    records = []
    for number in range(5):
        records.append(store.add("ours", new_job(ONE_STAGE)))
        if number % 2:
            clock.move(timedelta(microseconds=1))
    store.add("theirs", new_job(ONE_STAGE))
    oldest, *newer = sorted(records, key=lambda record: (record.created_at, record.id))
    than = Cursor(at=oldest.created_at, id=oldest.id)
    assert [one.id for one in store.list_newer("ours", than, JobFilter(), 2)] == [newer[1].id, newer[0].id]
    store.cancel("ours", newer[2].id)
    cancelled = JobFilter(statuses=frozenset({JobStatus.CANCELLED}))
    assert [one.id for one in store.list_newer("ours", than, cancelled, 2)] == [newer[2].id]


def test_jobs_are_sorted_by_any_of_their_times(store: SqlJobStore, clock: MovableClock) -> None:
    records = []
    for _ in range(3):
        records.append(store.add("ours", new_job(ONE_STAGE)))
        clock.move(MINUTE)
    first, second, third = records
    store.add("theirs", new_job(ONE_STAGE))
    for ended in (second, first):
        store.cancel("ours", ended.id)
        clock.move(MINUTE)

    def listed(by: JobTime, *, descending: bool) -> list[str]:
        return [one.id for one in store.list_sorted("ours", JobFilter(), by=by, descending=descending)]

    assert listed("created_at", descending=False) == [first.id, second.id, third.id]
    assert listed("finished_at", descending=False) == [second.id, first.id, third.id], "an unfinished one is last"
    assert listed("finished_at", descending=True) == [first.id, second.id, third.id]


def test_sorted_jobs_are_read_in_pages(store: SqlJobStore) -> None:
    added = {store.add("ours", new_job(ONE_STAGE)).id for _ in range(MAX_PER_PAGE + 1)}
    listed = [one.id for one in store.list_sorted("ours", JobFilter(), by="created_at", descending=False)]
    assert len(listed) == len(added) and set(listed) == added


def test_list_is_filtered_by_status_time_and_digest(store: SqlJobStore, clock: MovableClock) -> None:
    old = store.add("ours", new_job(digest="same"))
    clock.move(MINUTE)
    new = store.add("ours", new_job(digest="other"))
    store.cancel("ours", new.id)

    def listed(**only: object) -> list[str]:
        return [record.id for record in store.list("ours", only=JobFilter.model_validate(only)).items]

    assert listed() == [new.id, old.id]
    assert listed(statuses={JobStatus.QUEUED}) == [old.id]
    assert listed(statuses={JobStatus.QUEUED, JobStatus.CANCELLED}) == [new.id, old.id]
    assert listed(created_from=clock.now) == [new.id]
    assert listed(created_before=clock.now) == [old.id]
    assert listed(digest="same") == [old.id]


def test_cancelled_job_revokes_leases_and_cannot_be_cancelled_again(store: SqlJobStore, work: SqlWorkStore) -> None:
    record = store.add("ours", new_job())
    claim = held(work, record.id, "decode")
    assert store.cancel("ours", record.id).status is JobStatus.CANCELLED
    with pytest.raises(LeaseLost):
        work.extend(claim, MINUTE)
    with pytest.raises(LeaseLost):
        work.finish_stage(claim, seconds=1)
    assert work.claim(record.id, "decode", "w2", MINUTE) is Refusal.JOB_ENDED
    with pytest.raises(StateConflict, match="cancelled"):
        store.cancel("ours", record.id)


def test_retry_keeps_finished_stages(store: SqlJobStore, work: SqlWorkStore) -> None:
    record = store.add("ours", new_job())
    with pytest.raises(StateConflict, match="queued"):
        store.retry("ours", record.id)
    work.finish_stage(held(work, record.id, "decode"), seconds=1)
    failed = work.fail(held(work, record.id, "diarize"), JobFailure(code="engine_failed", message="It broke."))
    assert (failed.status, failed.error and failed.error.stage) == (JobStatus.FAILED, "diarize")
    again = store.retry("ours", record.id)
    assert (again.status, again.error, again.finished_at) == (JobStatus.QUEUED, None, None)
    assert [stage.status for stage in again.stages] == [
        StageStatus.DONE,
        StageStatus.PENDING,
        StageStatus.PENDING,
        StageStatus.WAITING,
    ]
    assert held(work, record.id, "diarize").attempt == 1


def test_erasure_waits_for_the_last_lease_and_leaves_an_erasure_record(
    store: SqlJobStore, work: SqlWorkStore, erasures: SqlErasureStore, clock: MovableClock, database: Database
) -> None:
    record = store.add("ours", new_job(metadata={"topic": "secret-topic"}, digest="secret-digest"))
    claim = held(work, record.id, "decode")
    erasure = store.erase("ours", record.id, by="k1", reason="requested")
    assert (erasure.erased_by, erasure.reason, erasure.erased_at) == ("k1", "requested", None)
    assert store.erase("ours", record.id, by="k2", reason="again") == erasure, "erasing twice is no error"
    assert store.find("ours", record.id) is None and store.list("ours").items == ()
    with pytest.raises(NotFound):
        store.retry("ours", record.id)
    with pytest.raises(LeaseLost):
        work.publish(claim, seconds=1)
    assert erasures.pending() == (), "a worker may still be writing"
    clock.move(2 * MINUTE)
    assert [erasure.id for erasure in erasures.pending()] == [record.id]
    erasures.finish("ours", record.id)
    erasures.finish("ours", record.id)
    assert erasures.pending() == ()
    remaining = store.erasure_record("ours", record.id)
    assert remaining is not None and remaining.erased_at == clock.now
    assert "secret" not in dump(database)


def test_finish_erasure_ignores_jobs_that_are_not_being_erased(store: SqlJobStore, erasures: SqlErasureStore) -> None:
    record = store.add("ours", new_job())
    erasures.finish("ours", record.id)
    assert store.find("ours", record.id) == record
    assert store.erasure_record("ours", record.id) is None


def dump(database: Database) -> str:
    with database.reading() as connection:
        return str([connection.execute(table.select()).all() for table in metadata.sorted_tables])


def test_quota_counts_stored_bytes_until_they_are_deleted(
    store: SqlJobStore, erasures: SqlErasureStore, database: Database
) -> None:
    first, second = (store.add("ours", new_job(ONE_STAGE, media_bytes=40), max_stored=100).id for _ in range(2))
    with pytest.raises(QuotaExceeded):
        store.add("ours", new_job(ONE_STAGE, media_bytes=21), max_stored=100)
    store.add("theirs", new_job(ONE_STAGE, media_bytes=100), max_stored=100)
    store.add("ours", new_job(ONE_STAGE, media_bytes=20), max_stored=100)
    assert (store.stored_bytes("ours"), store.stored_bytes("theirs"), store.stored_bytes("nobody")) == (100, 100, 0)
    erasures.mark_deleted(RetentionCategory.MEDIA, "ours", first)
    assert store.stored_bytes("ours") == 60
    store.erase("ours", second, by="k1", reason="requested")
    assert store.stored_bytes("ours") == 60, "its bytes are still stored"
    erasures.finish("ours", second)
    assert store.stored_bytes("ours") == 20


def test_concurrent_jobs_do_not_share_the_last_quota_bytes(store: SqlJobStore) -> None:
    def add(_number: int) -> bool:
        try:
            store.add("ours", new_job(ONE_STAGE, media_bytes=40), max_stored=100)
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(add, range(6))) == 2
    assert store.stored_bytes("ours") == 80


def test_concurrent_repetitions_of_a_request_are_one_job(store: SqlJobStore, clock: MovableClock) -> None:
    def add(tenant: str = "ours", digest: str = "same", minutes: int = 60) -> str:
        since = clock() - minutes * MINUTE
        return store.add(tenant, new_job(ONE_STAGE, digest=digest), repeated_since=since).id

    with ThreadPoolExecutor(6) as threads:
        (first,) = set(threads.map(lambda _: add(), range(6)))
    others = {add(digest="other"), add("theirs"), store.add("ours", new_job(ONE_STAGE, digest="same")).id}
    assert len(others) == 3 and first not in others
    store.erase("ours", first, by="k1", reason="requested")
    assert add() in others, "the newest one is joined"
    clock.move(2 * MINUTE)
    assert add(minutes=1) not in {first, *others}
    failed = add(digest="cancelled")
    store.cancel("ours", failed)
    assert add(digest="cancelled") != failed

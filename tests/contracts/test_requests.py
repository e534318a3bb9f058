"""What every store of requests promises: a trail that only grows, and one answer for all repeats."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import IdempotencyKeyReused
from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
from shared.domain.tenant import AuditEntry
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.requests import SqlAuditLog, SqlIdempotencyStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.ports.keys import AuditLog, IdempotencyStore
from tests.contracts.test_database_races import at_once
from tests.service_fakes import MINUTE, MovableClock, new_job

ONE = RequestKey(tenant="ours", method="POST", path="/v1/recordings", key="k-1")
ANSWER = StoredResponse(status=202, body=b'{"id": "j"}')


@pytest.fixture
def trail(database: Database) -> AuditLog:
    return SqlAuditLog(database)


@pytest.fixture
def requests(database: Database) -> IdempotencyStore:
    return SqlIdempotencyStore(database)


def test_the_trail_is_read_from_new_to_old_by_its_tenant_only(trail: AuditLog, clock: MovableClock) -> None:
    noted = []
    for number in range(5):
        clock.move(MINUTE)
        entry = AuditEntry(
            tenant="ours", at=clock.now, key_id="k", action="job.created", subject=str(number), details={"n": number}
        )
        trail.record(entry)
        noted.append(entry)
    first = trail.list("ours", limit=3)
    second = trail.list("ours", limit=3, cursor=first.next_cursor)
    assert [*first.items, *second.items] == noted[::-1]
    assert second.next_cursor is None
    assert trail.list("theirs").items == ()
    assert trail.delete_before(noted[2].at) == 2
    assert len(trail.list("ours").items) == 3


def test_a_repeat_gets_the_first_ones_answer(requests: IdempotencyStore) -> None:
    assert requests.begin(ONE, "same") == RequestState(new=True)
    assert requests.begin(ONE, "same") == RequestState(new=False), "the first one still runs"
    requests.store_response(ONE, ANSWER)
    assert requests.begin(ONE, "same") == RequestState(new=False, response=ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        requests.begin(ONE, "other")
    for other in ({"tenant": "theirs"}, {"path": "/v1/webhooks"}, {"key": "k-2"}):
        assert requests.begin(ONE.model_copy(update=other), "other").new


def test_what_came_to_no_answer_is_processed_again(requests: IdempotencyStore, clock: MovableClock) -> None:
    requests.begin(ONE, "same")
    requests.release(ONE)
    assert requests.begin(ONE, "other").new
    requests.store_response(ONE, ANSWER)
    requests.release(ONE)
    assert requests.begin(ONE, "other").response == ANSWER, "an answer stays"
    clock.move(timedelta(days=1))
    assert requests.delete_before(clock.now) == 1
    assert requests.begin(ONE, "same").new


def test_what_was_killed_does_not_hold_its_key_for_ever(requests: IdempotencyStore, clock: MovableClock) -> None:
    requests.begin(ONE, "same")
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").new
    requests.store_response(ONE, ANSWER)
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").response == ANSWER


def test_of_repeats_at_once_one_is_processed(requests: IdempotencyStore) -> None:
    begun = at_once(*[lambda: requests.begin(ONE, "same")] * 6)
    assert [one.new for one in begun].count(True) == 1


def test_the_erasure_of_a_job_takes_its_answer_along(requests: IdempotencyStore, database: Database) -> None:
    jobs = SqlJobStore(database)
    job = jobs.add("ours", new_job())
    requests.begin(ONE, "same")
    requests.store_response(ONE, ANSWER, job_id=job.id)
    jobs.erase("ours", job.id, by="k", reason="asked")
    SqlWorkQueue(database).finish_erasure("ours", job.id)
    assert requests.begin(ONE, "same").new

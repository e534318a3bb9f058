"""What every store of requests promises: a trail that only grows, and one answer for all repeats."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import KeyReused
from shared.domain.idempotency import Begun, RequestKey, StoredAnswer
from shared.domain.tenant import AuditEntry
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.requests import SqlAnsweredRequests, SqlAuditTrail
from shared.infra.database.work_queue import SqlWorkQueue
from shared.ports.keys import AnsweredRequests, AuditTrail
from tests.contracts.test_database_races import at_once
from tests.service_twins import MINUTE, MovableClock, new_job

ONE = RequestKey(tenant="ours", method="POST", path="/v1/recordings", key="k-1")
ANSWER = StoredAnswer(status=202, body=b'{"id": "j"}')


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    return SqlAuditTrail(database)


@pytest.fixture
def requests(database: Database) -> AnsweredRequests:
    return SqlAnsweredRequests(database)


def test_the_trail_is_read_from_new_to_old_by_its_tenant_only(trail: AuditTrail, clock: MovableClock) -> None:
    noted = []
    for number in range(5):
        clock.move(MINUTE)
        entry = AuditEntry(
            tenant="ours", at=clock.now, key_id="k", action="job.created", subject=str(number), facts={"n": number}
        )
        trail.note(entry)
        noted.append(entry)
    first = trail.list("ours", limit=3)
    second = trail.list("ours", limit=3, cursor=first.next_cursor)
    assert [*first.items, *second.items] == noted[::-1]
    assert second.next_cursor is None
    assert trail.list("theirs").items == ()
    assert trail.forget(noted[2].at) == 2
    assert len(trail.list("ours").items) == 3


def test_a_repeat_gets_the_first_ones_answer(requests: AnsweredRequests) -> None:
    assert requests.begin(ONE, "same") == Begun(new=True)
    assert requests.begin(ONE, "same") == Begun(new=False), "the first one still runs"
    requests.answer(ONE, ANSWER)
    assert requests.begin(ONE, "same") == Begun(new=False, answer=ANSWER)
    with pytest.raises(KeyReused):
        requests.begin(ONE, "other")
    for other in ({"tenant": "theirs"}, {"path": "/v1/webhooks"}, {"key": "k-2"}):
        assert requests.begin(ONE.model_copy(update=other), "other").new


def test_what_came_to_no_answer_is_processed_again(requests: AnsweredRequests, clock: MovableClock) -> None:
    requests.begin(ONE, "same")
    requests.release(ONE)
    assert requests.begin(ONE, "other").new
    requests.answer(ONE, ANSWER)
    requests.release(ONE)
    assert requests.begin(ONE, "other").answer == ANSWER, "an answer stays"
    clock.move(timedelta(days=1))
    assert requests.forget(clock.now) == 1
    assert requests.begin(ONE, "same").new


def test_what_was_killed_does_not_hold_its_key_for_ever(requests: AnsweredRequests, clock: MovableClock) -> None:
    requests.begin(ONE, "same")
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").new
    requests.answer(ONE, ANSWER)
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").answer == ANSWER


def test_of_repeats_at_once_one_is_processed(requests: AnsweredRequests) -> None:
    begun = at_once(*[lambda: requests.begin(ONE, "same")] * 6)
    assert [one.new for one in begun].count(True) == 1


def test_the_erasure_of_a_job_takes_its_answer_along(requests: AnsweredRequests, database: Database) -> None:
    jobs = SqlJobStore(database)
    job = jobs.add("ours", new_job())
    requests.begin(ONE, "same")
    requests.answer(ONE, ANSWER, job_id=job.id)
    jobs.erase("ours", job.id, by="k", reason="asked")
    SqlWorkQueue(database).erased("ours", job.id)
    assert requests.begin(ONE, "same").new

"""Contract tests of the idempotency store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import IdempotencyKeyReused
from shared.domain.idempotency import RequestKey, RequestState, StoredResponse
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.idempotency import SqlIdempotencyStore
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from shared.infra.database.jobs import SqlJobStore
from tests.contracts.test_database_races import run_concurrently
from tests.service_fakes import MovableClock, new_job

ONE = RequestKey(tenant="ours", method="POST", path="/v1/recordings", key="k-1")
ANSWER = StoredResponse(status=202, body=b'{"id": "j"}')


@pytest.fixture
def requests(database: Database) -> SqlIdempotencyStore:
    return SqlIdempotencyStore(database)


def test_repeated_request_gets_the_stored_response(requests: SqlIdempotencyStore) -> None:
    assert requests.begin(ONE, "same") == RequestState(new=True)
    assert requests.begin(ONE, "same") == RequestState(new=False), "the first request is still running"
    requests.store_response(ONE, ANSWER)
    assert requests.begin(ONE, "same") == RequestState(new=False, response=ANSWER)
    with pytest.raises(IdempotencyKeyReused):
        requests.begin(ONE, "other")
    for other in ({"tenant": "theirs"}, {"path": "/v1/webhooks"}, {"key": "k-2"}):
        assert requests.begin(ONE.model_copy(update=other), "other").new


def test_request_without_a_response_is_processed_again(requests: SqlIdempotencyStore, clock: MovableClock) -> None:
    requests.begin(ONE, "same")
    requests.release(ONE)
    assert requests.begin(ONE, "other").new
    requests.store_response(ONE, ANSWER)
    requests.release(ONE)
    assert requests.begin(ONE, "other").response == ANSWER, "a stored response is kept"
    clock.move(timedelta(days=1))
    assert requests.delete_before(clock.now) == 1
    assert requests.begin(ONE, "same").new


def test_killed_request_releases_its_key_after_the_maximum_duration(
    requests: SqlIdempotencyStore, clock: MovableClock
) -> None:
    requests.begin(ONE, "same")
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").new
    requests.store_response(ONE, ANSWER)
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same").response == ANSWER


def test_an_upload_without_a_heartbeat_releases_its_key(
    requests: SqlIdempotencyStore, database: Database, clock: MovableClock
) -> None:
    uploads = SqlIncomingUploadStore(database)
    uploads.begin("ours", "first")
    assert requests.begin(ONE, "same", job_id="first").new
    for _ in range(3):
        clock.move(timedelta(seconds=40))
        uploads.heartbeat("first")
        assert requests.begin(ONE, "same", job_id="second") == RequestState(new=False)
    clock.move(timedelta(seconds=70))
    assert requests.begin(ONE, "same", job_id="second").new


def test_a_request_that_added_its_job_keeps_its_key(
    requests: SqlIdempotencyStore, database: Database, clock: MovableClock
) -> None:
    """The process or the connection may end between the job and the response; a repeat must not add a second job."""
    job = SqlJobStore(database).add("ours", new_job())
    assert requests.begin(ONE, "same", job_id=job.id).new
    requests.release(ONE)
    clock.move(timedelta(hours=3))
    assert requests.begin(ONE, "same", job_id="second") == RequestState(new=False, job_id=job.id)
    with pytest.raises(IdempotencyKeyReused):
        requests.begin(ONE, "other", job_id="second")


def test_only_one_of_concurrent_repeats_is_processed(requests: SqlIdempotencyStore) -> None:
    states = run_concurrently(*[lambda: requests.begin(ONE, "same")] * 6)
    assert [state.new for state in states].count(True) == 1


def test_erasing_a_job_deletes_its_stored_response(requests: SqlIdempotencyStore, database: Database) -> None:
    jobs = SqlJobStore(database)
    job = jobs.add("ours", new_job())
    requests.begin(ONE, "same")
    requests.store_response(ONE, ANSWER, job_id=job.id)
    jobs.erase("ours", job.id, by="k", reason="requested")
    SqlErasureStore(database).finish("ours", job.id)
    assert requests.begin(ONE, "same").new

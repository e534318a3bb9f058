"""The courier's house: what is stuck goes on, what was kept for its time goes, what fails for days is disabled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.courier.house import House
from shared.domain.error import StateConflict
from shared.domain.idempotency import RequestKey
from shared.domain.job_blobs import artifacts_folder, job_folder, recording_key, transcript_key
from shared.domain.retention import Kept, Retention
from shared.domain.tenant import AuditEntry
from shared.domain.work import PlannedStage, StageState
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.requests import SqlAnsweredRequests, SqlAuditTrail
from tests.courier.place import DAY, Place
from tests.local_server import Reply, serving
from tests.service_twins import MINUTE, ONE_STAGE, held, new_job


def test_the_house_frees_and_erases(place: Place) -> None:
    stuck = place.jobs.add(
        "ours", new_job((PlannedStage(name="decode"), PlannedStage(name="publish", needs=("decode",))))
    )
    held(place.work, stuck.id, "decode")
    finished = place.publish()
    for key in ("media", "artifacts/decode/samples"):
        place.blobs.put("ours", f"jobs/{finished}/{key}", [b"x"])
    place.jobs.erase("ours", finished, by="k1", reason="asked")
    place.clock.move(2 * MINUTE)
    place.house.sweep()
    assert place.state(stuck.id) is StageState.PENDING
    assert list(place.blobs.keys("ours", f"jobs/{finished}")) == []
    stone = place.jobs.tombstone("ours", finished)
    assert stone is not None and stone.erased_at == place.clock.now


def test_the_house_disables_what_fails_for_days_and_forgets_old_logs(place: Place) -> None:
    with serving(Reply(500)) as server:
        hook = place.hook(server.url)
        for _ in range(7):
            place.publish()
            place.go_round()
            place.house.sweep()
            place.clock.move(DAY)
    found = place.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "no_success_for_5_days"
    trail, requests = SqlAuditTrail(place.database), SqlAnsweredRequests(place.database)
    trail.note(AuditEntry(tenant="ours", at=place.clock.now, key_id="k", action="job.created", subject="j"))
    request = RequestKey(tenant="ours", method="POST", path="/", key="k")
    requests.begin(request, "f")
    place.clock.move(31 * DAY)
    place.house.sweep()
    assert place.deliveries.list("ours").items == ()
    assert requests.begin(request, "f").new
    assert len(trail.list("ours").items) == 1
    place.clock.move(335 * DAY)
    place.house.sweep()
    assert trail.list("ours").items == ()


def left(place: Place, job_id: str) -> set[str]:
    return {key.rsplit("/", 1)[-1] for key in place.blobs.keys("ours", job_folder(job_id))}


def test_what_was_kept_for_its_time_goes_and_the_transcript_stays(place: Place) -> None:
    job_id = place.publish()
    for key in (recording_key(job_id), f"{artifacts_folder(job_id)}/sound", transcript_key(job_id)):
        place.blobs.put("ours", key, [b"x"])
    running = place.jobs.add("ours", new_job(ONE_STAGE))
    place.blobs.put("ours", recording_key(running.id), [b"x"])
    place.house.sweep()
    assert left(place, job_id) == {"recording", "sound", "transcript.json"}
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert left(place, job_id) == {"sound", "transcript.json"}
    place.clock.move(6 * DAY)
    place.house.sweep()
    place.house.sweep()
    assert left(place, job_id) == {"transcript.json"}
    assert left(place, running.id) == {"recording"}, "what has not ended keeps everything"
    assert place.house.expiry.due(Kept.MEDIA, timedelta(0)) == (), "what is gone is not asked for again"


def test_a_job_may_ask_for_less_but_not_for_more(place: Place) -> None:
    short = place.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=0, transcript_days=3)))
    long = place.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=24 * 30)))
    for job in (short, long):
        place.blobs.put("ours", recording_key(job.id), [b"x"])
        place.work.publish(held(place.work, job.id, "publish"), seconds=1)
    place.house.sweep()
    assert (left(place, short.id), left(place, long.id)) == (set(), {"recording"})
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert left(place, long.id) == set()
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert place.jobs.find("ours", short.id) is None
    stone = place.jobs.tombstone("ours", short.id)
    assert stone is not None and (stone.erased_by, stone.erased_at is not None) == ("retention", True)
    assert place.jobs.find("ours", long.id) is not None


def test_a_job_whose_recording_is_gone_cannot_be_run_again(place: Place) -> None:
    job = place.jobs.add("ours", new_job(ONE_STAGE))
    place.jobs.cancel("ours", job.id)
    place.clock.move(2 * DAY)
    place.house.sweep()
    with pytest.raises(StateConflict, match="is gone"):
        place.jobs.retry("ours", job.id)


def test_a_chore_that_breaks_does_not_stop_the_others(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    class BrokenBlobs(FolderBlobs):
        def delete_prefix(self, tenant: str, prefix: str) -> int:
            raise OSError(tenant, prefix)

    stuck = place.jobs.add("ours", new_job(ONE_STAGE))
    held(place.work, stuck.id, "publish")
    erased = place.publish()
    place.jobs.erase("ours", erased, by="k1", reason="asked")
    place.clock.move(2 * MINUTE)
    house = House(
        **{name: getattr(place.house, name) for name in House.__slots__} | {"blobs": BrokenBlobs(place.folder)}
    )
    house.sweep()
    assert place.state(stuck.id) is StageState.PENDING
    stone = place.jobs.tombstone("ours", erased)
    assert stone is not None and stone.erased_at is None, "it is asked again"
    said = capsys.readouterr().out
    assert "courier.chore_failed" in said and "OSError" in said and "jobs/" not in said
    place.house.sweep()
    stone = place.jobs.tombstone("ours", erased)
    assert stone is not None and stone.erased_at is not None

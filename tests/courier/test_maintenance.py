"""Maintenance: expired leases are freed, expired data is deleted, endpoints that fail for days are disabled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.courier.maintenance import Maintenance
from shared.domain.error import StateConflict
from shared.domain.idempotency import RequestKey
from shared.domain.job_blobs import artifacts_folder, job_folder, recording_key, transcript_key
from shared.domain.retention import Retention, RetentionCategory
from shared.domain.tenant import AuditEntry
from shared.domain.work import PlannedStage, StageStatus
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.requests import SqlAuditLog, SqlIdempotencyStore
from tests.courier.courier_harness import DAY, CourierHarness
from tests.local_server import Reply, serving
from tests.service_fakes import MINUTE, ONE_STAGE, held, new_job


def test_maintenance_frees_leases_and_finishes_erasures(harness: CourierHarness) -> None:
    stuck = harness.jobs.add(
        "ours", new_job((PlannedStage(name="decode"), PlannedStage(name="publish", needs=("decode",))))
    )
    held(harness.work, stuck.id, "decode")
    finished = harness.publish()
    for key in ("media", "artifacts/decode/samples"):
        harness.blobs.put("ours", f"jobs/{finished}/{key}", [b"x"])
    harness.jobs.erase("ours", finished, by="k1", reason="asked")
    harness.clock.move(2 * MINUTE)
    harness.maintenance.run()
    assert harness.state(stuck.id) is StageStatus.PENDING
    assert list(harness.blobs.keys("ours", f"jobs/{finished}")) == []
    erasure = harness.jobs.erasure_record("ours", finished)
    assert erasure is not None and erasure.erased_at == harness.clock.now


def test_maintenance_disables_failing_endpoints_and_deletes_old_logs(harness: CourierHarness) -> None:
    with serving(Reply(500)) as server:
        hook = harness.hook(server.url)
        for _ in range(7):
            harness.publish()
            harness.run_once()
            harness.maintenance.run()
            harness.clock.move(DAY)
    found = harness.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "no_success_for_5_days"
    trail, requests = SqlAuditLog(harness.database), SqlIdempotencyStore(harness.database)
    trail.record(AuditEntry(tenant="ours", at=harness.clock.now, key_id="k", action="job.created", subject="j"))
    request = RequestKey(tenant="ours", method="POST", path="/", key="k")
    requests.begin(request, "f")
    harness.clock.move(31 * DAY)
    harness.maintenance.run()
    assert harness.deliveries.list("ours").items == ()
    assert requests.begin(request, "f").new
    assert len(trail.list("ours").items) == 1
    harness.clock.move(335 * DAY)
    harness.maintenance.run()
    assert trail.list("ours").items == ()


def left(harness: CourierHarness, job_id: str) -> set[str]:
    return {key.rsplit("/", 1)[-1] for key in harness.blobs.keys("ours", job_folder(job_id))}


def test_expired_media_and_artifacts_are_deleted_and_the_transcript_is_kept(harness: CourierHarness) -> None:
    job_id = harness.publish()
    for key in (recording_key(job_id), f"{artifacts_folder(job_id)}/sound", transcript_key(job_id)):
        harness.blobs.put("ours", key, [b"x"])
    running = harness.jobs.add("ours", new_job(ONE_STAGE))
    harness.blobs.put("ours", recording_key(running.id), [b"x"])
    harness.maintenance.run()
    assert left(harness, job_id) == {"recording", "sound", "transcript.json"}
    harness.clock.move(2 * DAY)
    harness.maintenance.run()
    assert left(harness, job_id) == {"sound", "transcript.json"}
    harness.clock.move(6 * DAY)
    harness.maintenance.run()
    harness.maintenance.run()
    assert left(harness, job_id) == {"transcript.json"}
    assert left(harness, running.id) == {"recording"}, "a running job keeps all data"
    assert harness.maintenance.expiry.expired(RetentionCategory.MEDIA, timedelta(0)) == (), (
        "deleted data is not listed again"
    )


def test_a_job_may_shorten_its_retention_but_not_extend_it(harness: CourierHarness) -> None:
    short = harness.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=0, transcript_days=3)))
    long = harness.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=24 * 30)))
    for job in (short, long):
        harness.blobs.put("ours", recording_key(job.id), [b"x"])
        harness.work.publish(held(harness.work, job.id, "publish"), seconds=1)
    harness.maintenance.run()
    assert (left(harness, short.id), left(harness, long.id)) == (set(), {"recording"})
    harness.clock.move(2 * DAY)
    harness.maintenance.run()
    assert left(harness, long.id) == set()
    harness.clock.move(2 * DAY)
    harness.maintenance.run()
    assert harness.jobs.find("ours", short.id) is None
    erasure = harness.jobs.erasure_record("ours", short.id)
    assert erasure is not None and (erasure.erased_by, erasure.erased_at is not None) == ("retention", True)
    assert harness.jobs.find("ours", long.id) is not None


def test_a_job_without_its_recording_cannot_be_retried(harness: CourierHarness) -> None:
    job = harness.jobs.add("ours", new_job(ONE_STAGE))
    harness.jobs.cancel("ours", job.id)
    harness.clock.move(2 * DAY)
    harness.maintenance.run()
    with pytest.raises(StateConflict, match="was deleted"):
        harness.jobs.retry("ours", job.id)


def test_a_failing_task_does_not_stop_the_others(harness: CourierHarness, capsys: pytest.CaptureFixture[str]) -> None:
    class BrokenBlobs(FolderBlobs):
        def delete_prefix(self, tenant: str, prefix: str) -> int:
            raise OSError(tenant, prefix)

    stuck = harness.jobs.add("ours", new_job(ONE_STAGE))
    held(harness.work, stuck.id, "publish")
    erased = harness.publish()
    harness.jobs.erase("ours", erased, by="k1", reason="asked")
    harness.clock.move(2 * MINUTE)
    maintenance = Maintenance(
        **{name: getattr(harness.maintenance, name) for name in Maintenance.__slots__}
        | {"blobs": BrokenBlobs(harness.folder)}
    )
    maintenance.run()
    assert harness.state(stuck.id) is StageStatus.PENDING
    erasure = harness.jobs.erasure_record("ours", erased)
    assert erasure is not None and erasure.erased_at is None, "the erasure is retried"
    said = capsys.readouterr().out
    assert "courier.task_failed" in said and "OSError" in said and "jobs/" not in said
    harness.maintenance.run()
    erasure = harness.jobs.erasure_record("ours", erased)
    assert erasure is not None and erasure.erased_at is not None

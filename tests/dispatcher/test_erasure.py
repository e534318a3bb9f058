"""Erased jobs and expired data are deleted from storage and database; old audit entries and responses too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.error import StateConflict
from shared.domain.idempotency import RequestKey, StoredResponse
from shared.domain.job_blobs import artifacts_folder, recording_key, transcript_key
from shared.domain.retention import Retention, RetentionCategory
from shared.domain.tenant import AuditEntry
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.idempotency import SqlIdempotencyStore
from tests.dispatcher.dispatcher_harness import DAY, DispatcherHarness
from tests.service_fakes import ONE_STAGE, held, new_job


def test_an_erasure_finishes_with_empty_storage_and_an_erasure_record(harness: DispatcherHarness) -> None:
    job_id = harness.publish()
    for key in (recording_key(job_id), f"{artifacts_folder(job_id)}/sound"):
        harness.blobs.put("ours", key, [b"x"])
    harness.jobs.erase("ours", job_id, by="k1", reason="asked")
    harness.erasure.finish_erasures()
    assert harness.blobs_of(job_id) == set()
    erasure = harness.jobs.erasure_record("ours", job_id)
    assert erasure is not None and erasure.erased_at == harness.clock.now


def test_an_erasure_that_storage_refused_is_retried(harness: DispatcherHarness) -> None:
    class BrokenBlobs(FolderBlobs):
        def delete_prefix(self, tenant: str, prefix: str) -> int:
            raise OSError(tenant, prefix)

    erased = harness.publish()
    harness.jobs.erase("ours", erased, by="k1", reason="asked")
    with pytest.raises(OSError, match="ours"):
        replace(harness.erasure, blobs=BrokenBlobs(harness.folder / "blobs")).finish_erasures()
    erasure = harness.jobs.erasure_record("ours", erased)
    assert erasure is not None and erasure.erased_at is None
    harness.erasure.finish_erasures()
    erasure = harness.jobs.erasure_record("ours", erased)
    assert erasure is not None and erasure.erased_at is not None


def test_an_erasure_is_unfinished_while_storage_still_has_blobs(harness: DispatcherHarness) -> None:
    class ForgetfulBlobs(FolderBlobs):
        def delete_prefix(self, tenant: str, prefix: str) -> int:
            return 0

    erased = harness.publish()
    harness.blobs.put("ours", recording_key(erased), [b"x"])
    harness.jobs.erase("ours", erased, by="k1", reason="asked")
    replace(harness.erasure, blobs=ForgetfulBlobs(harness.folder / "blobs")).finish_erasures()
    erasure = harness.jobs.erasure_record("ours", erased)
    assert erasure is not None and erasure.erased_at is None


def test_old_responses_and_audit_entries_are_deleted(harness: DispatcherHarness) -> None:
    trail, requests = SqlAuditLog(harness.database), SqlIdempotencyStore(harness.database)
    trail.record(AuditEntry(tenant="ours", at=harness.clock.now, key_id="k", action="job.created", subject="j"))
    request = RequestKey(tenant="ours", method="POST", path="/", key="k")
    requests.begin(request, "f")
    requests.store_response(request, StoredResponse(status=200, body=b""))
    harness.clock.move(DAY / 2)
    harness.delete()
    assert not requests.begin(request, "f").new
    harness.clock.move(DAY)
    harness.delete()
    assert requests.begin(request, "f").new
    assert len(trail.list("ours").items) == 1
    harness.clock.move(365 * DAY)
    harness.delete()
    assert trail.list("ours").items == ()


def test_expired_media_and_artifacts_are_deleted_and_the_transcript_is_kept(harness: DispatcherHarness) -> None:
    job_id = harness.publish()
    for key in (recording_key(job_id), f"{artifacts_folder(job_id)}/sound", transcript_key(job_id)):
        harness.blobs.put("ours", key, [b"x"])
    running = harness.jobs.add("ours", new_job(ONE_STAGE))
    harness.blobs.put("ours", recording_key(running.id), [b"x"])
    harness.delete()
    assert harness.blobs_of(job_id) == {"recording", "sound", "transcript.json"}
    harness.clock.move(2 * DAY)
    harness.delete()
    assert harness.blobs_of(job_id) == {"sound", "transcript.json"}
    harness.clock.move(6 * DAY)
    harness.delete()
    harness.delete()
    assert harness.blobs_of(job_id) == {"transcript.json"}
    assert harness.blobs_of(running.id) == {"recording"}, "a running job keeps all data"
    expired = SqlErasureStore(harness.database).expired(RetentionCategory.MEDIA, timedelta(0))
    assert expired == (), "deleted data is not listed again"


def test_a_job_may_shorten_its_retention_but_not_extend_it(harness: DispatcherHarness) -> None:
    short = harness.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=0, transcript_days=3)))
    long = harness.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=24 * 30)))
    for job in (short, long):
        harness.blobs.put("ours", recording_key(job.id), [b"x"])
        harness.work.publish(held(harness.work, job.id, "publish"), seconds=1)
    harness.delete()
    assert (harness.blobs_of(short.id), harness.blobs_of(long.id)) == (set(), {"recording"})
    harness.clock.move(2 * DAY)
    harness.delete()
    assert harness.blobs_of(long.id) == set()
    harness.clock.move(2 * DAY)
    harness.delete()
    assert harness.jobs.find("ours", short.id) is None
    erasure = harness.jobs.erasure_record("ours", short.id)
    assert erasure is not None and (erasure.erased_by, erasure.erased_at is not None) == ("retention", True)
    assert harness.jobs.find("ours", long.id) is not None


def test_a_job_without_its_recording_cannot_be_retried(harness: DispatcherHarness) -> None:
    job = harness.jobs.add("ours", new_job(ONE_STAGE))
    harness.jobs.cancel("ours", job.id)
    harness.clock.move(2 * DAY)
    harness.delete()
    with pytest.raises(StateConflict, match="was deleted"):
        harness.jobs.retry("ours", job.id)

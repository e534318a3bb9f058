"""The recording for players: parts, types by content, scope, retention and the audit trail."""

from __future__ import annotations

import pytest

from shared.domain.job import Job, Source
from shared.domain.job_blobs import recording_key
from shared.domain.job_record import NewJob
from shared.domain.stage_plan import plan_stages
from shared.domain.tenant import Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.jobs import SqlJobStore
from tests.results.conftest import READ, ResultsHarness

MP4 = b"\0\0\0\x18ftypmp42" + bytes(1000)


def stored(harness: ResultsHarness, content: bytes) -> str:
    job_id = harness.done().job_id
    harness.blobs.put("ours", recording_key(job_id), [content])
    return f"/v1/jobs/{job_id}/media"


def test_a_player_reads_parts(harness: ResultsHarness) -> None:
    path, web = stored(harness, MP4), harness.web(READ)
    whole = web.get(path)
    assert (whole.status_code, whole.content) == (200, MP4)
    assert whole.headers["accept-ranges"] == "bytes" and whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["content-disposition"].startswith('inline; filename="secret-name.mp4"')
    part = web.get(path, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(MP4)}"
    assert web.get(path, headers={"Range": "bytes=5000-"}).status_code == 416
    assert web.head(path).headers["content-length"] == str(len(MP4))
    assert web.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (MP4, "video/mp4"),
        (b"\0\0\0\x18ftypM4A \0", "audio/mp4"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"\x1aE\xdf\xa3", "video/webm"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"<html><script>", "application/octet-stream"),
    ],
)
def test_the_type_follows_from_the_content(harness: ResultsHarness, content: bytes, kind: str) -> None:
    answer = harness.web().get(stored(harness, content))
    assert answer.headers["content-type"] == kind
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_transcript_alone_has_no_media(harness: ResultsHarness) -> None:
    source = Source(name="secret-name.txt", sha256="0" * 64)
    job = Job(id="1" * 32, recording=source, platform_transcript=source, text_only=True)
    SqlJobStore(harness.database).add("ours", NewJob(job=job, stages=plan_stages(job)))
    answer = harness.web().get(f"/v1/jobs/{job.id}/media")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_recording")


def test_it_needs_the_scope_and_leaves_a_trail(harness: ResultsHarness) -> None:
    path = stored(harness, MP4)
    assert harness.web({Scope.RECORDINGS_WRITE}).get(path).json()["code"] == "insufficient_scope"
    before = len(SqlAuditLog(harness.database).list("ours").items)
    harness.web().get(path, headers={"Range": "bytes=0-1"})
    entries = SqlAuditLog(harness.database).list("ours").items
    assert len(entries) == before + 1
    assert (entries[0].action, entries[0].subject) == ("recording.read", path.split("/")[3])


def test_a_recording_without_stored_bytes_is_not_an_empty_one(harness: ResultsHarness) -> None:
    answer = harness.web().get(f"/v1/jobs/{harness.done().job_id}/media")
    assert answer.status_code == 500

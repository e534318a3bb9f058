"""A transcript in every format: permissions, content, ranges and file names."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.domain.job_blobs import transcript_key
from shared.exports.formats import FORMATS
from shared.exports.summary import render_summary
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.jobs import SqlJobStore
from tests.exports.documents import text_of
from tests.results.conftest import FEEL, READ, ResultsHarness, opened_app


def at(job_id: str, view: str = "") -> str:
    return f"/v1/transcripts/{job_id}{view}"


def bare(answer: Any) -> dict[str, Any]:
    """The transcript without its URL."""
    return {name: value for name, value in answer.json().items() if name != "instance"}


VIEWS = [*(f".{suffix}" for suffix in FORMATS), ""]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_matches_the_command_line_output(harness: ResultsHarness, view: str) -> None:
    made = harness.done()
    form = FORMATS[view.removeprefix(".") or "json"]
    for emotion in (True, False):
        answer = harness.web(FEEL).get(at(made.job_id, view), params={"emotion": emotion})
        assert answer.content == form.render(made, emotion=emotion)
        assert answer.headers["content-type"].startswith(form.media_type)
        assert answer.headers["content-length"] == str(len(answer.content))
    head = harness.web(FEEL).head(at(made.job_id, view), params={"emotion": False})
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])


@pytest.mark.parametrize("view", [*VIEWS, "/summary"])
def test_without_the_scope_no_view_contains_readings(harness: ResultsHarness, view: str) -> None:
    made = harness.done()
    answer = harness.web(READ).get(at(made.job_id, view))
    assert answer.status_code == 200
    assert "sadness" not in text_of(view.removeprefix("."), answer.content)
    assert answer.content == harness.web(FEEL).get(at(made.job_id, view), params={"emotion": False}).content
    refused = harness.web(READ).get(at(made.job_id, view), params={"emotion": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_a_transcript_of_version_1_is_served_with_turns(harness: ResultsHarness) -> None:
    """Its turns are its utterances; corrections and every view use them."""
    made = harness.done()
    fields = json.loads(made.model_dump_json(exclude={"turns"})) | {"schema_version": 1}
    harness.blobs.put("ours", transcript_key(made.job_id), [json.dumps(fields).encode()])
    web = harness.web()
    shown = web.get(f"/v1/transcripts/{made.job_id}").json()
    assert shown["schema_version"] == 2
    assert [turn["speaker"] for turn in shown["turns"]] == [one.speaker for one in made.utterances]
    assert web.patch(f"/v1/transcripts/{made.job_id}/utterances/0", json={"speaker": "S2"}).status_code == 200
    rttm = web.get(f"/v1/transcripts/{made.job_id}.rttm").text.splitlines()
    assert rttm[0].split()[3:5] == ["0.480", "5.520"], "touching and overlapping turns are joined"
    assert rttm[0].split()[7] == "Ben_Müller"
    assert web.get(f"/v1/transcripts/{made.job_id}/summary").json()["speakers"][0]["talk_seconds"] == 33.0


def test_the_summary_is_a_view(harness: ResultsHarness) -> None:
    made = harness.done()
    answer = harness.web(FEEL).get(at(made.job_id, "/summary"))
    assert answer.content == render_summary(made, emotion=True)
    assert answer.headers["etag"]
    assert "ranking" not in answer.text


@pytest.mark.parametrize("view", ["", ".vtt", ".mp4", "/summary", "/corrections"])
def test_missing_transcripts_are_reported_with_their_reason(harness: ResultsHarness, view: str) -> None:
    web, jobs = harness.web(), SqlJobStore(harness.database)
    waiting = harness.queued()
    answer = web.get(at(waiting, view))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert f"/v1/jobs/{waiting}" in answer.json()["hint"]
    answer = web.get(at(harness.failed("no_audio"), view))
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, "no_audio", "It has no sound.")
    jobs.cancel("ours", waiting)
    answer = web.get(at(waiting, view))
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    unknown = web.get(at("0" * 32, view))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    erased = harness.done()
    jobs.erase("ours", erased.job_id, by="k", reason="requested")
    for other in (erased.job_id, harness.done("theirs").job_id, "x" * 99, "a b", "%00", "none.xyz"):
        answer = web.get(at(other, view))
        assert (answer.status_code, bare(answer)) == (404, bare(unknown))


def test_a_transcript_missing_in_storage_is_a_server_error(harness: ResultsHarness) -> None:
    made = harness.done()
    harness.blobs.delete_prefix("ours", transcript_key(made.job_id).rpartition("/")[0])
    answer = harness.web().get(at(made.job_id))
    assert (answer.status_code, answer.json()["code"]) == (500, "stored_data_missing")


def test_unchanged_content_is_not_sent_again(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web(FEEL)
    first = web.get(at(made.job_id, ".vtt"))
    etag = first.headers["etag"]
    assert etag.startswith('"') and first.headers["cache-control"] == "private, no-cache"
    for known in (etag, f'"other", W/{etag}', "*"):
        again = web.get(at(made.job_id, ".vtt"), headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert web.get(at(made.job_id, ".vtt"), headers={"If-None-Match": '"other"'}).status_code == 200
    tags = {web.get(at(made.job_id, view), params={"emotion": e}).headers["etag"] for view in VIEWS for e in (0, 1)}
    assert len(tags) == 2 * len(FORMATS) - 3  # rttm, ctm and stm contain no emotion


@pytest.mark.parametrize(
    ("requested", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=10-", 10, None), ("bytes=-5", -5, None), ("bytes=0-999999", 0, None)],
)
def test_a_requested_range_is_sent(harness: ResultsHarness, requested: str, start: int, end: int | None) -> None:
    made = harness.done()
    web, path = harness.web(FEEL), at(made.job_id, ".srt")
    whole = web.get(path)
    part = web.get(path, headers={"Range": requested})
    assert (part.status_code, part.content) == (206, whole.content[start:end])
    size = len(whole.content)
    first = start % size
    assert part.headers["content-range"] == f"bytes {first}-{first + len(part.content) - 1}/{size}"
    assert part.headers["content-length"] == str(len(part.content))
    for condition, status in ((whole.headers["etag"], 206), ('"old"', 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)):
        assert web.get(path, headers={"Range": requested, "If-Range": condition}).status_code == status


def test_an_unsatisfiable_range_is_rejected_and_an_invalid_one_is_ignored(harness: ResultsHarness) -> None:
    made = harness.done()
    web, path = harness.web(FEEL), at(made.job_id, ".srt")
    size = len(web.get(path).content)
    for outside in (f"bytes={size}-", "bytes=-0"):
        answer = web.get(path, headers={"Range": outside})
        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{size}"
    for none in ("bytes=5-1", "bytes=-", "lines=1-2", "bytes=0-1,4-5"):
        assert web.get(path, headers={"Range": none}).status_code == 200
    assert web.head(path, headers={"Range": "bytes=0-1"}).status_code == 200


def test_reading_a_transcript_is_audited_without_content(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web(FEEL)
    etag = web.get(at(made.job_id)).headers["etag"]
    web.get(at(made.job_id, ".vtt"), params={"emotion": False})
    web.get(at(made.job_id), headers={"If-None-Match": etag})  # 304 shows nothing, so no entry
    web.get("/v1/search", params={"q": "yesterday"})
    lines = {(line.action, json.dumps(line.details)) for line in SqlAuditLog(harness.database).list("ours").items}
    assert lines == {
        ("transcript.read", '{"format": "json", "emotion": true}'),
        ("transcript.exported", '{"format": "vtt", "emotion": false}'),
        ("transcripts.searched", '{"found": 1, "emotion": false}'),
    }
    line = SqlAuditLog(harness.database).list("ours").items[0]
    assert line.key_id and line.address == "testclient"


def test_unavailable_storage_is_not_a_missing_transcript(harness: ResultsHarness) -> None:
    made, web = harness.done(), harness.web()
    folder = harness.stores.folder / "blobs"
    renamed = folder.with_name("renamed")
    folder.rename(renamed)
    for path in ("", ".vtt", "/summary", ".mp4", "/corrections"):
        answer = web.get(f"/v1/transcripts/{made.job_id}{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable"), path
        assert int(answer.headers["retry-after"]) > 0
    renamed.rename(folder)
    deadline = time.monotonic() + 5
    while web.get(f"/v1/transcripts/{made.job_id}").status_code != 200:
        assert time.monotonic() < deadline, "storage did not recover"
        time.sleep(0.05)


def test_unresponsive_storage_is_waited_for_briefly(harness: ResultsHarness) -> None:
    go_on = threading.Event()

    class Hanging(FolderBlobs):
        def probe(self) -> None:
            go_on.wait(60)

    made = harness.done()
    web = TestClient(opened_app(harness.database, Hanging(harness.stores.folder / "blobs")))
    began = time.monotonic()
    key = {"Authorization": f"Bearer {harness.key()}"}
    assert web.get("/readyz").status_code == 503
    assert web.get(f"/v1/transcripts/{made.job_id}", headers=key).status_code == 503
    assert time.monotonic() - began < 10, "the requests wait two seconds in total"
    go_on.set()

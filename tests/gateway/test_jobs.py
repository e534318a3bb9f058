"""Jobs are shown, listed, followed, retried and erased; a repeated request has one effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from fastapi import routing

from services.gateway import context, list_events
from services.gateway.job_intake import digest_of
from shared.domain.idempotency import RequestKey
from shared.domain.job_record import JobFailure
from shared.domain.job_request import JobRequest
from shared.infra.database.work import SqlWorkStore
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, eventually
from tests.local_server import Reply, serving
from tests.service_fakes import MINUTE, held, new_job

FILES = {"file": ("a.mp4", MP4, "video/mp4")}


def submit(client: httpx.Client, **fields: str) -> str:
    answer = client.post("/v1/recordings", data=fields, files=FILES)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_job_shows_its_progress_and_its_error(gateway: Gateway, client: httpx.Client) -> None:
    job_id = submit(client)
    fresh = client.get(f"/v1/jobs/{job_id}").json()
    assert (fresh["status"], fresh["progress"], fresh["seconds_left"], fresh["error"]) == ("queued", 0, None, None)
    assert fresh["stages"][0] == {"name": "decode", "status": "pending", "progress": 0.0, "seconds": None}
    work = SqlWorkStore(gateway.database)
    claim = held(work, job_id, "decode")
    work.extend(claim, MINUTE, progress=0.5)
    running = client.get(f"/v1/jobs/{job_id}").json()
    assert running["status"] == "running" and running["seconds_left"] is not None and 0 < running["progress"] < 1
    work.finish_stage(claim, seconds=1.5)
    work.fail(held(work, job_id, "detect_speech"), JobFailure(code="engine_failed", message="It failed."))
    failed = client.get(f"/v1/jobs/{job_id}").json()
    assert failed["error"] == {"code": "engine_failed", "message": "It failed.", "stage": "detect_speech"}
    assert failed["stages"][0]["seconds"] == 1.5 and failed["finished_at"] is not None


def test_a_meeting_is_renamed(client: httpx.Client, stranger: httpx.Client) -> None:
    path = f"/v1/jobs/{submit(client)}"
    before = client.get(path).json()
    assert before["name"] == before["recording"]["name"]
    renamed = client.patch(path, json={"name": " Weekly\n 3/4 \x07"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Weekly 3/4")
    assert client.get("/v1/jobs").json()["items"] == [{**before, "name": "Weekly 3/4"}]
    assert client.patch(path, json={"name": "\x00"}).json()["code"] == "invalid_request"
    for unfit in ({"name": ""}, {"name": "a" * 201}, {}):
        assert client.patch(path, json=unfit).status_code == 422
    assert stranger.patch(path, json={"name": "Theirs"}).status_code == 404
    client.delete(path)
    assert client.patch(path, json={"name": "Again"}).status_code == 404


def test_a_failed_job_can_be_retried_and_a_queued_one_cannot(gateway: Gateway, client: httpx.Client) -> None:
    job_id = submit(client)
    conflict = client.post(f"/v1/jobs/{job_id}/retry")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "state_conflict")
    work = SqlWorkStore(gateway.database)
    work.fail(held(work, job_id, "decode"), JobFailure(code="decode_failed", message="It failed."))
    assert eventually(lambda: len(gateway.queue.sent) > 0)
    gateway.queue.sent.clear()
    again = client.post(f"/v1/jobs/{job_id}/retry")
    assert (again.status_code, again.json()["status"], again.json()["error"]) == (202, "queued", None)
    assert eventually(lambda: [ticket.stage for ticket in gateway.queue.sent] == ["decode"])


def test_the_job_list_has_pages_and_filters(gateway: Gateway, client: httpx.Client) -> None:
    ids = [gateway.context.jobs.add("ours", new_job()).id for _ in range(5)]
    gateway.context.jobs.cancel("ours", ids[0])
    first = client.get("/v1/jobs", params={"limit": 3}).json()
    second = client.get("/v1/jobs", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert {item["id"] for item in first["items"] + second["items"]} == set(ids)
    assert len(second["items"]) == 2 and second["next_cursor"] is None
    cancelled = client.get("/v1/jobs", params={"status": "cancelled"}).json()["items"]
    assert [item["id"] for item in cancelled] == [ids[0]]
    later = (gateway.context.clock() + timedelta(hours=1)).isoformat()
    assert client.get("/v1/jobs", params={"created_from": later}).json()["items"] == []
    for wrong in ({"cursor": "rubbish"}, {"status": "secret"}, {"limit": "0"}, {"created_from": "2026-11-02T12:00:00"}):
        answer = client.get("/v1/jobs", params=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "secret" not in answer.text


def test_erasing_a_running_job_cancels_its_stage_and_hides_the_job(gateway: Gateway, client: httpx.Client) -> None:
    job_id = submit(client)
    held(SqlWorkStore(gateway.database), job_id, "decode")
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204, "deleting twice is no error"
    for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/events"):
        assert client.get(path).status_code == 404
    assert client.delete("/v1/jobs/" + "0" * 32).status_code == 404
    erasure = gateway.context.jobs.erasure_record("ours", job_id)
    assert erasure is not None and erasure.erased_by in gateway.keys["ours"]


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, object]]]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def test_a_job_is_followed_to_its_end_and_a_broken_stream_resumes(gateway: Gateway, client: httpx.Client) -> None:
    job_id = submit(client)
    path = f"/v1/jobs/{job_id}/events"
    work = SqlWorkStore(gateway.database)
    with client.stream("GET", path) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        received = events(stream.iter_lines())
        name, mark, job = next(received)
        assert (name, job["status"]) == ("progress", "queued")
        claim = held(work, job_id, "decode")
        name, mark, job = next(received)
        assert job["status"] == "running"
    work.fail(claim, JobFailure(code="decode_failed", message="It failed."))
    with client.stream("GET", path, headers={"Last-Event-ID": mark}) as stream:
        rest = list(events(stream.iter_lines()))
    assert [(name, job["status"]) for name, _, job in rest] == [("end", "failed")]
    assert client.get(path, headers={"Last-Event-ID": rest[-1][1]}).status_code == 204


def test_a_key_has_a_limited_number_of_event_streams(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_EVENT_STREAMS", 2)
    with opened() as gateway, gateway.client() as client, gateway.client("theirs") as stranger, ExitStack() as streams:
        path = f"/v1/jobs/{submit(client)}/events"
        for _ in range(2):
            stream = streams.enter_context(client.stream("GET", path))
            assert (stream.status_code, stream.headers["x-accel-buffering"]) == (200, "no")
            assert "no-store" in stream.headers["cache-control"]
        refused = client.get(path)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
        with stranger.stream("GET", f"/v1/jobs/{submit(stranger)}/events") as stream:
            assert stream.status_code == 200, "another key has its own"
        streams.close()

        def is_free() -> bool:
            with client.stream("GET", path) as stream:
                return stream.status_code == 200

        assert eventually(is_free), "a closed stream frees its place"


def test_an_idle_event_stream_is_kept_alive(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "_PING_INTERVAL", 0.2)
    with client.stream("GET", f"/v1/jobs/{submit(client)}/events") as stream:
        assert next(line for line in stream.iter_lines() if line.startswith(":"))


def test_the_event_stream_of_an_erased_job_ends_with_gone(gateway: Gateway, client: httpx.Client) -> None:
    job_id = submit(client)
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        lines = stream.iter_lines()
        assert next(events(lines))[0] == "progress"
        gateway.context.jobs.erase("ours", job_id, by="k", reason="asked")
        assert next(events(lines))[0] == "gone"


def test_all_jobs_are_followed_with_one_stream(
    gateway: Gateway, client: httpx.Client, stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(stranger)
    first = submit(client)
    with client.stream("GET", "/v1/jobs/events") as stream:
        received = events(stream.iter_lines())
        assert next(received)[0::2] == ("list", {"items": [{"id": first, "status": "queued"}]})
        assert next(received)[2]["id"] == first
        second = submit(client)
        statuses = next(received)[2]["items"]
        assert statuses == [{"id": second, "status": "queued"}, {"id": first, "status": "queued"}]
        assert next(received)[2]["id"] == second
        client.delete(f"/v1/jobs/{first}")
        assert next(received)[2]["items"] == [{"id": second, "status": "queued"}]
    monkeypatch.setattr(list_events, "MAX_SECONDS", 0.2)
    with client.stream("GET", "/v1/jobs/events") as stream:
        assert [name for name, _, _ in events(stream.iter_lines())] == ["list", "job"]


def test_the_same_key_and_request_get_the_same_response(gateway: Gateway, client: httpx.Client) -> None:
    key = {"Idempotency-Key": '"once"'}
    first = client.post("/v1/recordings", data={"speakers": "2"}, files=FILES, headers=key)
    again = client.post("/v1/recordings", data={"speakers": "2"}, files=FILES, headers={"Idempotency-Key": "once"})
    assert again.status_code == first.status_code == 202
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = client.post("/v1/recordings", data={"speakers": "3"}, files=FILES, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    media = {"file": ("a.mp4", MP4 + b"x")}
    other = client.post("/v1/recordings", data={"speakers": "2"}, files=media, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(gateway.context.jobs.list("ours").items) == 1 and len(gateway.blobs()) == 1


def test_an_idempotency_key_is_per_tenant_and_reusable_after_a_failure(
    gateway: Gateway, client: httpx.Client, stranger: httpx.Client
) -> None:
    key = {"Idempotency-Key": "k"}
    assert client.post("/v1/recordings", files={"file": ("a", b"text")}, headers=key).status_code == 422
    first = client.post("/v1/recordings", files=FILES, headers=key)
    other = stranger.post("/v1/recordings", files=FILES, headers=key)
    assert first.status_code == other.status_code == 202 and first.json()["id"] != other.json()["id"]


def test_a_repeated_request_is_rejected_while_the_first_one_runs(gateway: Gateway, client: httpx.Client) -> None:
    key = RequestKey(tenant="ours", method="POST", path="/v1/recordings", key="k")
    url = "http://127.0.0.1:9/a.mp4"
    gateway.context.requests.begin(key, digest_of(f"url {url}", JobRequest().model_dump_json()))
    answer = client.post("/v1/recordings", json={"url": url}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
    assert int(answer.headers["retry-after"]) > 0


def test_a_repeated_request_gets_the_job_of_a_first_one_that_was_killed_before_its_response(
    gateway: Gateway, client: httpx.Client
) -> None:
    headers = {"content-type": "video/mp4"}
    first = client.post("/v1/recordings", content=MP4, headers=headers).json()
    key = RequestKey(tenant="ours", method="POST", path="/v1/recordings", key="k")
    fingerprint = digest_of(first["recording"]["sha256"], JobRequest().model_dump_json())
    gateway.context.requests.begin(key, fingerprint, job_id=first["id"])
    for _ in range(2):
        again = client.post("/v1/recordings", content=MP4, headers={**headers, "Idempotency-Key": "k"})
        assert (again.status_code, again.json()["id"]) == (202, first["id"])
        assert again.headers["idempotency-replayed"] == "true"
    assert len(gateway.context.jobs.list("ours").items) == 1 and len(gateway.blobs()) == 1


def test_a_repeated_url_is_not_fetched_again(gateway: Gateway, client: httpx.Client) -> None:
    key = {"Idempotency-Key": "k"}
    with serving(Reply(body=MP4)) as other:
        answers = [client.post("/v1/recordings", json={"url": other.url}, headers=key) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202] and len(other.asked) == 1
    assert answers[0].json()["id"] == answers[1].json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", '""'])
def test_an_invalid_idempotency_key_is_rejected(client: httpx.Client, key: str) -> None:
    answer = client.post("/v1/recordings", files=FILES, headers={"Idempotency-Key": key})
    # An empty quoted key is two quotation marks, which are visible characters.
    assert answer.status_code == (202 if key == '""' else 422)

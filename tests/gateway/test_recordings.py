"""Recordings are accepted as forms, raw bodies, URLs and finished uploads, and become queued jobs with blobs."""

from __future__ import annotations

import hashlib
import json

import httpx
import pytest

from shared.domain.job_record import JobStatus
from shared.infra.database.erasure import SqlErasureStore
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, WAV, Gateway, clean, eventually
from tests.local_server import Reply, serving


def accepted(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    return str(answer.json()["id"])


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


def test_a_form_with_every_field_becomes_a_queued_job(gateway: Gateway, client: httpx.Client) -> None:
    answer = client.post(
        "/v1/recordings",
        data={
            "language": "en",
            "vocabulary": "Sara, Marc O'Neill",
            "max_speakers": "4",
            "modalities": ["text", "voice"],
            "engines": "asr=faster-whisper:small",
            "separate_channels": "true",
            "captions": "true",
            "metadata": '{"meeting": 7, "none": null}',
            "purpose": "research",
            "consent": '{"participants_informed": true}',
            "retention": '{"media_hours": 1}',
        },
        files=[
            ("file", ("Stand-up.mp4", MP4, "video/mp4")),
            ("transcript", ("it.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello", "text/vtt")),
            ("track", ("Ana.wav", WAV, "audio/wav")),
            ("track", ("Ben.wav", WAV + b"b", "audio/wav")),
        ],
    )
    job_id = accepted(answer)
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None and record.status is JobStatus.QUEUED
    assert record.job.recording.sha256 == hashlib.sha256(MP4).hexdigest()
    assert [track.name for track in record.job.tracks] == ["Ana", "Ben"]
    options = record.job.options
    assert (options.language, options.max_speakers, options.separate_channels) == ("en", 4, True)
    assert options.vocabulary == ("Sara", "Marc O'Neill")
    assert options.captions and record.stages[-1].name == "caption"
    assert (list(options.modalities), dict(options.engines)) == (["text", "voice"], {"asr": "faster-whisper:small"})
    assert record.metadata == {"meeting": 7, "none": None} and record.consent and record.retention
    assert answer.json()["metadata"] == {"meeting": 7, "none": None}
    assert gateway.blobs() == [
        f"ours/jobs/{job_id}/media/{name}" for name in ("platform-transcript", "recording", "track-0", "track-1")
    ]
    assert eventually(lambda: len(gateway.queue.sent) == 2)
    assert {(ticket.job_id, ticket.stage) for ticket in gateway.queue.sent} == {
        (job_id, "decode"),
        (job_id, "track_faces"),
    }


@pytest.mark.parametrize("kind", ["audio/wav", "video/mp4", "application/octet-stream"])
def test_a_raw_body_takes_its_options_from_the_query(gateway: Gateway, client: httpx.Client, kind: str) -> None:
    params = {"name": "../../etc/passwd", "speakers": "2"}
    job_id = accepted(client.post("/v1/recordings", params=params, content=WAV, headers={"content-type": kind}))
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None
    assert (record.job.recording.name, record.job.options.speakers) == ("passwd", 2)


@pytest.mark.parametrize("kind", ["text/vtt", "text/plain; charset=utf-8", "application/x-subrip", "form"])
def test_a_transcript_alone_is_a_job(opened: Open, kind: str) -> None:
    text = b"Ana: hello\nBen: good bye\n"
    governance = {"require_consent": True}  # which concerns voice and face alone
    with opened(governance=governance) as gateway, gateway.client() as client:
        if kind == "form":
            sent = client.post("/v1/recordings", data={"captions": "true"}, files={"transcript": ("a.txt", text)})
        else:
            params = {"name": "a.txt", "captions": "true"}
            sent = client.post("/v1/recordings", params=params, content=text, headers={"content-type": kind})
        job_id = accepted(sent)
        record = gateway.context.jobs.find("ours", job_id)
        assert record is not None and record.job.text_only and record.job.recording.name == "a.txt"
        assert record.job.platform_transcript == record.job.recording
        assert [stage.name for stage in record.stages] == [
            "transcribe",
            "diarize",
            "compose",
            "read_emotions",
            "publish",
        ]
        assert gateway.blobs() == [f"ours/jobs/{job_id}/media/platform-transcript"]
        assert eventually(lambda: [ticket.stage for ticket in gateway.queue.sent] == ["transcribe"])


def test_lines_without_times_cannot_belong_to_a_recording(gateway: Gateway, client: httpx.Client) -> None:
    files = {"file": ("a.mp4", MP4), "transcript": ("a.txt", b"Ana: hello\n")}
    assert code(client.post("/v1/recordings", files=files)) == (422, "invalid_transcript")
    assert code(client.post("/v1/recordings", content=b"hello", headers={"content-type": "text/plain"})) == (
        422,
        "invalid_transcript",
    )
    assert clean(gateway)


def test_a_chunked_body_without_a_length_is_accepted(client: httpx.Client) -> None:
    accepted(client.post("/v1/recordings", content=iter([MP4, MP4]), headers={"content-type": "video/mp4"}))


def test_an_html_page_is_not_a_recording(gateway: Gateway, client: httpx.Client) -> None:
    with serving(Reply(body=b"<!doctype html><title>Sign in</title>")) as other:
        assert code(client.post("/v1/recordings", json={"url": other.url})) == (422, "unsupported_media")
    assert gateway.blobs() == []


@pytest.mark.parametrize(
    "content",
    [
        b"<html><body>no</body></html>",
        b"<?xml version='1.0'?><MPD/>",
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"just words, and many of them",
        b"PK\x03\x04" + bytes(100),
        b"%PDF-1.7",
        b"\x1f\x8b\x08" + bytes(50),
        b"RIFF\0\0\0\0AVI LIST",
        b"\x7fELF" + bytes(60),
    ],
)
def test_a_file_that_is_no_recording_is_rejected_and_leaves_no_data(
    gateway: Gateway, client: httpx.Client, content: bytes
) -> None:
    answer = client.post("/v1/recordings", files={"file": ("recording.mp4", content, "video/mp4")})
    assert code(answer) == (422, "unsupported_media")
    assert gateway.blobs() == [] and gateway.context.jobs.list("ours").items == ()


def test_an_empty_file_is_rejected_as_empty(client: httpx.Client) -> None:
    assert code(client.post("/v1/recordings", files={"file": ("a.mp4", b"")})) == (422, "empty_file")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"speakers": "many-secret"}, "speakers"),
        ({"speakers": "0"}, "speakers"),
        ({"modalities": "text,secret"}, "modalities"),
        ({"purpose": "secret"}, "purpose"),
        ({"metadata": "{secret"}, "metadata"),
        ({"metadata": '["secret"]'}, "metadata"),
        ({"consent": '{"secret": 1}'}, ""),
        ({"engines": "asr=../../secret"}, "engines"),
        ({"engines": '{"asr": "whisper:/etc/secret"}'}, "engines"),
        ({"secret": "x"}, ""),
        ({"speakers": "2", "max_speakers": "3"}, ""),
        ({"language": "secret language"}, "language"),
    ],
)
def test_an_invalid_field_is_named_and_its_value_is_not_repeated(
    gateway: Gateway, client: httpx.Client, fields: dict[str, str], field: str
) -> None:
    answer = client.post("/v1/recordings", data=fields, files={"file": ("a.mp4", MP4)})
    assert code(answer) == (422, "invalid_request")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "secret" not in answer.text
    assert gateway.blobs() == []


def test_a_form_without_a_recording_is_rejected(gateway: Gateway, client: httpx.Client) -> None:
    assert code(client.post("/v1/recordings", files={"track": ("a.wav", WAV)})) == (422, "invalid_request")
    two = [("file", ("a.mp4", MP4)), ("file", ("b.mp4", MP4))]
    assert code(client.post("/v1/recordings", files=two)) == (422, "invalid_request")
    assert code(client.post("/v1/recordings", json={})) == (422, "invalid_request")
    assert code(client.post("/v1/recordings", json={"url": "https://a.b/", "upload": "x"})) == (422, "invalid_request")
    assert code(client.post("/v1/recordings", content=b"x", headers={"content-type": "text/html"})) == (
        415,
        "unsupported_content_type",
    )
    assert gateway.blobs() == []


def test_a_tenants_quota_is_enforced_and_freed_by_erasure(opened: Open) -> None:
    large = MP4 + bytes(700_000)
    kind = {"content-type": "video/mp4"}
    with opened(quota_mb=1) as gateway, gateway.client() as client, serving(Reply(body=large)) as other:
        twice = {**kind, "Idempotency-Key": "k"}
        job_id = accepted(client.post("/v1/recordings", content=large, headers=twice))
        blobs = gateway.blobs()
        again = client.post("/v1/recordings", content=large, headers=twice)
        assert accepted(again) == job_id, "a repeated request stores no new data"
        early = f"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.keys['ours']}\r\n"
        early += f"Content-Type: video/mp4\r\nContent-Length: {len(large)}\r\n\r\n"
        assert gateway.raw(early.encode()).startswith(b"HTTP/1.1 507"), "before the body is sent"
        no_length = client.post("/v1/recordings", content=iter([large]), headers=kind)
        other_key = client.post("/v1/recordings", content=large, headers={**kind, "Idempotency-Key": "other"})
        by_address = client.post("/v1/recordings", json={"url": other.url})
        form = client.post("/v1/recordings", files={"file": ("a.mp4", large)})
        upload = client.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(len(large))})
        for answer in (no_length, other_key, by_address, form, upload):
            assert code(answer) == (507, "quota_exceeded")
        assert gateway.blobs() == blobs
        assert "Erase jobs" in form.json()["hint"] and "Retry-After" not in form.headers
        with gateway.client("theirs") as stranger:
            accepted(stranger.post("/v1/recordings", content=large, headers=kind))
        accepted(client.post("/v1/recordings", content=MP4, headers=kind))
        client.delete(f"/v1/jobs/{job_id}")
        SqlErasureStore(gateway.database).finish("ours", job_id)
        accepted(client.post("/v1/recordings", content=large, headers=kind))


def test_governance_limits_the_modalities_of_a_job(opened: Open) -> None:
    settings = {"modalities": ("text", "voice"), "require_consent": True}
    with opened(governance=settings) as gateway, gateway.client() as client:

        def post(**fields: str) -> httpx.Response:
            return client.post("/v1/recordings", data=fields, files={"file": ("a.mp4", MP4)})

        informed = json.dumps({"participants_informed": True})
        assert code(post(modalities="face")) == (422, "modality_not_allowed")
        assert code(post(purpose="recruitment")) == (422, "purpose_prohibited")
        assert code(post()) == (422, "invalid_request")
        assert post(modalities="text").status_code == 202
        record = gateway.context.jobs.find("ours", accepted(post(consent=informed)))
        assert record is not None and list(record.job.options.modalities) == ["text", "voice"]


def test_a_callback_belongs_to_its_job_and_its_secret_is_returned_once(gateway: Gateway, client: httpx.Client) -> None:
    fields = {"callback_url": "http://127.0.0.1:9999/hook?t=secret-token"}
    answer = client.post("/v1/recordings", data=fields, files={"file": ("a.mp4", MP4)})
    job_id = accepted(answer)
    assert answer.json()["callback_secret"].startswith("whsec_")
    assert "whsec_" not in client.get(f"/v1/jobs/{job_id}").text
    assert gateway.context.endpoints.list("ours") == ()
    blocked = client.post("/v1/recordings", data={"callback_url": "https://10.0.0.1/"}, files={"file": ("a.mp4", MP4)})
    assert code(blocked) == (422, "address_blocked")


def test_the_audit_log_contains_the_granted_modalities(
    gateway: Gateway, client: httpx.Client, stranger: httpx.Client
) -> None:
    job_id = accepted(client.post("/v1/recordings", data={"modalities": "text"}, files={"file": ("a.mp4", MP4)}))
    client.delete(f"/v1/jobs/{job_id}")
    items = client.get("/v1/audit").json()["items"]
    assert [(item["action"], item["subject"]) for item in items] == [("job.erased", job_id), ("job.created", job_id)]
    assert items[1]["details"]["granted"] == ["text"] and items[1]["address"] == "127.0.0.1"
    assert code(stranger.get("/v1/audit")) == (403, "insufficient_scope")


def test_an_unavailable_queue_does_not_lose_the_job(gateway: Gateway, client: httpx.Client) -> None:
    gateway.queue.broken = True
    accepted(client.post("/v1/recordings", files={"file": ("a.mp4", MP4)}))
    assert gateway.queue.sent == []
    gateway.queue.broken = False
    accepted(client.post("/v1/recordings", files={"file": ("a.mp4", MP4)}))
    assert eventually(lambda: len({ticket.job_id for ticket in gateway.queue.sent}) == 2), "the next job sends both"

"""Recordings and tracks that the gateway fetches from addresses of the request."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx

from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, WAV, Gateway
from tests.gateway.test_recordings import accepted, code
from tests.local_server import Reply, serving


def test_a_recording_is_fetched_by_url(gateway: Gateway, client: httpx.Client) -> None:
    with serving(Reply(body=MP4)) as other:
        answer = client.post("/v1/recordings", json={"url": f"{other.url}/rec/all%20hands.mp4?token=t", "speakers": 3})
    record = gateway.context.jobs.find("ours", accepted(answer))
    assert record is not None
    assert (record.job.recording.name, record.job.options.speakers) == ("all hands.mp4", 3)


def test_tracks_are_fetched_by_url(gateway: Gateway, client: httpx.Client) -> None:
    with serving(Reply(body=MP4), Reply(body=WAV), Reply(body=WAV + b"b")) as other:
        tracks: list[dict[str, Any]] = [
            {"url": f"{other.url}/Ana.wav?token=t"},
            {"url": f"{other.url}/2", "name": "Ben", "start": -1.5},
        ]
        body = {"url": f"{other.url}/all.mp4", "tracks": tracks}
        job_id = accepted(client.post("/v1/recordings", json=body, headers={"Idempotency-Key": "k"}))
        assert [one.path for one in other.asked] == ["/all.mp4", "/Ana.wav?token=t", "/2"]
        for changed in (tracks[:1], [tracks[0], tracks[1] | {"start": 1.5}]):
            again = client.post("/v1/recordings", json=body | {"tracks": changed}, headers={"Idempotency-Key": "k"})
            assert code(again) == (422, "idempotency_key_reused"), "different tracks make a different request"
        late = client.post("/v1/recordings", json=body | {"tracks": [tracks[0] | {"start": 86_401}]})
        assert code(late) == (422, "invalid_request")
        assert len(other.asked) == 3
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None
    assert [(track.name, track.sha256, track.start) for track in record.job.tracks] == [
        ("Ana", hashlib.sha256(WAV).hexdigest(), 0.0),
        ("Ben", hashlib.sha256(WAV + b"b").hexdigest(), -1.5),
    ]
    assert record.stages[3].needs == ("detect_speech",), "the tracks determine who speaks when"


def test_a_track_with_a_private_address_is_rejected_before_any_download(opened: Open) -> None:
    allowed = {"allow": ("127.0.0.0/8",), "plain_http": True}
    with opened(outbound=allowed) as gateway, gateway.client() as client, serving(Reply(body=MP4)) as other:
        for url in ("http://10.0.0.1/", "https://169.254.169.254/latest", "file:///etc/passwd"):
            body = {"url": other.url, "tracks": [{"url": f"{other.url}/a"}, {"url": url}]}
            assert code(client.post("/v1/recordings", json=body)) == (422, "address_blocked")
        assert other.asked == [] and gateway.blobs() == []


def test_tracks_by_url_count_towards_the_size_limit(opened: Open) -> None:
    half = MP4 + bytes(600_000)
    with opened(max_upload_mb=1) as gateway, gateway.client() as client, serving(Reply(body=half)) as other:
        body: dict[str, object] = {"url": other.url}
        accepted(client.post("/v1/recordings", json=body))
        blobs = gateway.blobs()
        body["tracks"] = [{"url": other.url, "name": "Ana"}]
        assert code(client.post("/v1/recordings", json=body)) == (413, "upload_too_large")
        body["tracks"] = [{"url": other.url, "name": str(number)} for number in range(17)]
        assert code(client.post("/v1/recordings", json=body)) == (422, "invalid_request")
        assert gateway.blobs() == blobs


def test_at_most_three_redirects_are_followed(gateway: Gateway, client: httpx.Client) -> None:
    turn = Reply(status=302, headers={"location": "/next"})
    for count, status in ((3, 202), (4, 502)):
        with serving(*[turn] * count, Reply(body=MP4)) as other:
            assert client.post("/v1/recordings", json={"url": other.url}).status_code == status


def test_a_private_address_is_not_fetched(opened: Open) -> None:
    with opened(outbound={}) as gateway, gateway.client() as client, serving(Reply(body=MP4)) as inside:
        for url in (inside.url, "https://169.254.169.254/latest", "file:///etc/passwd", "https://[::1]/"):
            assert code(client.post("/v1/recordings", json={"url": url})) == (422, "address_blocked")
        assert inside.asked == [] and gateway.blobs() == []

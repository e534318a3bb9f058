"""Forms and JSON bodies of a hostile client: malformed, endless or deep ones are rejected and leave no data."""

from __future__ import annotations

import httpx
import pytest

from tests.gateway.serving import MP4, Gateway, clean


def part(name: str, content: bytes = b"x", filename: str | None = None) -> bytes:
    label = f'; filename="{filename}"' if filename is not None else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{label}\r\n\r\n'.encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no boundary at all" * 100, 400),
        (part("file", MP4, "a") + b"--b", 400),
        (part("file", MP4, "a"), 400),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", 422),
        (b"--b\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\nx\r\n--b--\r\n", 400),
        (b"--b\r\n" + b"X-Many: 1\r\n" * 50 + b"\r\nx\r\n--b--\r\n", 400),
        (part("language") * 100 + b"--b--\r\n", 400),
        (part("file", MP4, "a") + b"".join(part("track", MP4, f"{n}.wav") for n in range(20)) + b"--b--\r\n", 422),
        (part("metadata", b"x" * 70_000) + b"--b--\r\n", 422),
        (part("metadata", b"\xff\xfe") + b"--b--\r\n", 422),
        (part("other", MP4, "a") + b"--b--\r\n", 422),
        (part("speakers", b"2") * 2 + b"--b--\r\n", 422),
        (part("transcript", b"\x7fELF\0", "a.vtt") + b"--b--\r\n", 422),
        (part("transcript", b"<html>", "a.vtt") + b"--b--\r\n", 422),
    ],
)
def test_an_invalid_or_endless_form_is_rejected_and_leaves_no_data(
    gateway: Gateway, client: httpx.Client, body: bytes, status: int
) -> None:
    kind = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.post("/v1/recordings", content=body, headers=kind)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert clean(gateway)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300]
)
def test_a_form_without_a_valid_boundary_is_rejected(client: httpx.Client, kind: str) -> None:
    assert client.post("/v1/recordings", content=b"x", headers={"content-type": kind}).status_code == 400


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"metadata": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001,
        b'{"metadata": {"n": ' + b"9" * 50_000 + b'}, "url": "https://a.example/"}',
        b'{"metadata": {"n": NaN}, "url": "https://a.example/"}',
        b'{"metadata": {"n": "\\ud800"}, "url": "https://a.example/"}',
        b"\xff\xfe\x00",
        b"null",
        b"",
    ],
    ids=["arrays", "objects", "deep", "digits", "nan", "surrogate", "bytes", "null", "nothing"],
)
@pytest.mark.parametrize("path", ["/v1/recordings", "/v1/webhooks"])
def test_a_json_bomb_is_an_invalid_request(client: httpx.Client, bomb: bytes, path: str) -> None:
    answer = client.post(path, content=bomb, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 2000 and b"aaaa" not in answer.content and b"9999" not in answer.content


@pytest.mark.parametrize(
    "metadata", ['{"n": "\\ud800"}', "[" * 60_000, '{"n": ' + "9" * 5_000 + "}", '{"n": NaN}', '{"n": 1e999}']
)
def test_a_json_bomb_in_a_form_field_is_an_invalid_field(client: httpx.Client, metadata: str) -> None:
    answer = client.post("/v1/recordings", data={"metadata": metadata}, files={"file": ("a", MP4)})
    assert answer.status_code == 422, answer.text


def test_json_bodies_over_the_limit_are_rejected(client: httpx.Client, gateway: Gateway) -> None:
    long = b'{"url": "' + b"x" * 70_000 + b'"}'
    kind = {"content-type": "application/json"}
    for path in ("/v1/webhooks", "/v1/recordings"):
        for content in (long, iter([long])):
            answer = client.post(path, content=content, headers=kind)
            assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large"), path

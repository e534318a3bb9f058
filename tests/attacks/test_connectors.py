"""Attacks on the webhooks of every connector: forged, replayed, stale, malformed, oversized or slow, and bad files."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.gateway.connectors.enabled import open_connectors
from services.gateway.connectors.settings import ConnectorsSettings
from shared.infra.web import body_limit
from tests.attacks.platforms import OTHER_SECRET, PLATFORMS, Platform, Request, settings
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imports, jobs, soon
from tests.gateway.serving import MP4, Gateway, logged
from tests.local_server import Reply, serving

EACH = pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS.keys())
WITH_ADDRESS = {name: one for name, one in PLATFORMS.items() if one.names_address}
EACH_ADDRESS = pytest.mark.parametrize("platform", WITH_ADDRESS.values(), ids=WITH_ADDRESS.keys())
WITHOUT_WEBHOOKS = {"watch"}

MALFORMED = (
    b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe{}", b"{}" * 3, b"NaN", b'{"a":Infinity}',
    b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b'{"event":"\\ud800"}', b"\0", b"--b\r\n" * 1000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 10**400, 1e308, "", "\0", "\ud800", "x" * 70_000, "١٢٣", "²", "https://[", "http://x:99999999/",
    "s3://\ud800/", [], {}, [[[]]], [None] * 40, {"a": {"b": []}},
)  # fmt: skip


@pytest.fixture
def gateway(opened: Open, tmp_path: Path) -> Iterator[Gateway]:
    folder = tmp_path / "watched"
    folder.mkdir()
    with opened(connectors=settings(folder)) as one:
        yield one


def post(gateway: Gateway, platform: Platform, request: Request, *more: tuple[str, str]) -> httpx.Response:
    body, headers = request
    lines = [(name.encode(), value.encode("latin-1")) for name, value in (*headers.items(), *more)]
    # Without `verify` the client loads no certificate authorities, which takes longer than the request.
    return httpx.post(gateway.url + platform.path, content=body, headers=lines, timeout=30, verify=False)  # noqa: S501


def test_every_connector_is_attacked(gateway: Gateway) -> None:
    names = {name.partition(" ")[0] for name in PLATFORMS}
    assert names | WITHOUT_WEBHOOKS == {field.name for field in dataclasses.fields(ConnectorsSettings)}
    connectors = open_connectors(gateway.context)
    assert set(connectors.imports.connectors) == names | WITHOUT_WEBHOOKS, "the test turns each of them on"
    for path in connectors.open_paths:
        assert any(one.path.startswith(path) for one in PLATFORMS.values()), path


def forgeries(platform: Platform) -> Iterator[tuple[str, Request, tuple[tuple[str, str], ...]]]:
    """The name and request of each forgery, and the headers that it repeats."""
    message = json.dumps(platform.message("https://files.invalid/a.mp4")).encode()
    body, headers = platform.send(message)
    yield "no signature", (body if platform.header else b"", {}), ()
    yield "signed with another secret", platform.send(message, secret=OTHER_SECRET), ()
    if platform.signs_body:
        yield "a byte more", (body + b" ", headers), ()
        yield "another encoding", (message.decode().encode("utf-16") if platform.header else body[1:], headers), ()
        written_again = json.dumps(json.loads(message), indent=1).encode()
        yield "serialized again", (written_again, headers if platform.header else {}), ()
    if platform.expires:
        yield "stale", platform.send(message, at=str(int(time.time()) - 302)), ()
    if platform.has_text_time:
        for text in odd_times():
            yield f"the time {text!r}", platform.send(message, at=text), ()
    if platform.header:
        good = headers[platform.header]
        prefix, equals, value = good.rpartition("=" if good.startswith("v0") else ",")
        decoded = bytes.fromhex(value) if equals and good.startswith("v0") else good.encode()
        wrong = ["", good[:-2], f"{good}0", good.swapcase(), "é" * len(good), f"x{good}", "." * 4000]
        wrong += [prefix + equals + base64.b64encode(decoded).decode(), f"{prefix}{equals}"]
        for value in wrong:
            yield f"the signature {value[:80]!r}", (body, headers | {platform.header: value}), ()
        yield "a second signature after the right one", (body, headers), ((platform.header, wrong[1]),)
        forged = headers | {platform.header: wrong[1]}
        yield "the right signature after another", (body, forged), ((platform.header, good),)
        yield "the right signature twice", (body, headers), ((platform.header, good),)


def odd_times() -> Iterator[str]:
    now = int(time.time())
    yield from (str(now + 600), str(now * 10**6), f"{now}.0", f"{now}e0", f"+{now}", f"-{now}", hex(now), "", "0")
    yield from ("9" * 400, f"{now}²", str(now).replace("1", "¹"), f"{str(now)[:1]}_{str(now)[1:]}", f"0{now * 10}")


@EACH
def test_forged_and_stale_webhooks_are_refused_and_logged(
    gateway: Gateway, platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    tried = list(forgeries(platform))
    for what, request, twice in tried:
        answer = post(gateway, platform, request, *twice)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature"), what
    assert not jobs(gateway) and not imports(gateway)
    assert "invalid_signature" in logged(capfd, "gateway.announcement_refused", len(tried))


@EACH
def test_signatures_are_compared_in_constant_time(
    gateway: Gateway, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def record(one: bytes, other: bytes) -> bool:
        compared.extend((one, other))
        return compare(one, other)

    body, headers = platform.send(b"{}", secret=OTHER_SECRET)
    signature = headers[platform.header] if platform.header else body.decode()
    monkeypatch.setattr(hmac, "compare_digest", record)
    assert post(gateway, platform, (body, headers)).status_code == 401
    assert any(one and one.decode() in signature for one in compared)


@EACH
def test_a_replayed_webhook_creates_no_second_import(gateway: Gateway, platform: Platform) -> None:
    request = platform.announce()
    if platform.path.endswith("/store"):
        request = platform.send(MP4)
    for _ in range(3):
        assert post(gateway, platform, request).status_code == 200
    assert len(imports(gateway)) == (0 if platform.path.endswith("/backend") else 1)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside a JSON value, and of the value itself."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        yield from leaves(one, (*path, name))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


@EACH
def test_malformed_messages_with_a_valid_signature_never_break_the_service(
    gateway: Gateway, platform: Platform
) -> None:
    good = platform.message("https://files.invalid/a.mp4")
    changed = [replaced(good, path, value) for path in leaves(good) for value in VALUES]
    for message in (*MALFORMED, *(json.dumps(one).encode() for one in changed)):
        answer = post(gateway, platform, platform.send(message))
        assert answer.status_code in (200, 401, 413, 415, 422), (answer.status_code, message[:200])
    assert not jobs(gateway)


@EACH
def test_deep_tokens_without_a_signature_never_break_the_service(gateway: Gateway, platform: Platform) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 20_000).decode().rstrip("=")
    for forged in (f"{deep}.{deep}.AAAA", "." * 20_000, f"{deep}.AAAA"):
        header = platform.header or "x-unused"
        body = f"signed_parameters={forged}".encode()
        assert post(gateway, platform, (body, {header: forged})).status_code in (401, 431), forged[:20]


@EACH
def test_oversized_webhooks_are_refused_before_they_are_read(gateway: Gateway, platform: Platform) -> None:
    large = platform.send(b" " * ((1 << 20) + 1), secret=OTHER_SECRET)
    assert post(gateway, platform, large).status_code == (401 if platform.path.endswith("/store") else 413)
    assert not imports(gateway)


@EACH
def test_a_slow_body_times_out(gateway: Gateway, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limit, "BODY_TIMEOUT_SECONDS", 0.5)
    head = f"POST {platform.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    began = time.monotonic()
    answer = gateway.raw(head.encode(), b"{", b" ", pause=0.1)
    assert answer.split(b" ")[1] in (b"401", b"408") and time.monotonic() - began < 5
    assert not imports(gateway)


@EACH_ADDRESS
def test_addresses_in_webhooks_never_reach_internal_hosts(opened: Open, tmp_path: Path, platform: Platform) -> None:
    with (
        serving(Reply(body=MP4)) as bait,
        opened(connectors=settings(tmp_path), outbound={"plain_http": True}) as gateway,
    ):
        hosts = ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0")  # noqa: S104
        urls = [f"http://{host}:{bait.port}/a.mp4" for host in hosts]
        urls += ["http://169.254.169.254/latest/meta-data", "https://a:b@127.0.0.1/", "https://127.0.0.1\\@x.invalid/"]
        for url in urls:
            assert post(gateway, platform, platform.announce(url)).status_code == 200, url
        for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1/a"):
            assert post(gateway, platform, platform.announce(url)).status_code in (200, 422), url
        assert soon(lambda: {one["status"] for one in imports(gateway)} == {"failed"}), imports(gateway)
        assert {one["error"] for one in imports(gateway)} == {"address_blocked"}
        assert len(imports(gateway)) >= len(urls)
        assert not bait.asked and not jobs(gateway)


@EACH_ADDRESS
def test_redirects_to_internal_hosts_are_not_followed(opened: Open, tmp_path: Path, platform: Platform) -> None:
    with serving(Reply(body=MP4)) as bait:
        redirect = Reply(status=302, headers={"location": f"http://127.0.0.1:{bait.port}/"})
        outbound = {"plain_http": True, "allow": ("localhost",)}
        with serving(redirect) as server, opened(connectors=settings(tmp_path), outbound=outbound) as gateway:
            post(gateway, platform, platform.announce(f"http://localhost:{server.port}/a.mp4"))
            assert soon(lambda: imports(gateway)[0]["status"] == "failed"), imports(gateway)
            assert imports(gateway)[0]["error"] == "address_blocked"
            assert len(server.asked) == 1 and not bait.asked and not jobs(gateway)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("transfer-encoding", "chunked")
    handler.end_headers()
    block = MP4[:4096]
    while True:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "100000")
    handler.end_headers()
    handler.wfile.write(MP4)


BAD_FILES = {
    "a sign-in page": (Reply(body=b"<!DOCTYPE html><html>Sign in</html>"), "failed", "unsupported_media"),
    "nothing": (Reply(body=b""), "failed", "empty_file"),
    "more than its size": (Reply(raw=endless), "failed", "upload_too_large"),
    "a huge size": (Reply(body=MP4, headers={"content-length": "9" * 15}), "failed", "upload_too_large"),
    "less than its size": (Reply(raw=cut_off), "pending", "outbound_failed"),
    "an error": (Reply(status=401, body=MP4), "pending", "outbound_failed"),
}


@EACH_ADDRESS
def test_files_that_are_no_recording_create_no_job(opened: Open, tmp_path: Path, platform: Platform) -> None:
    with opened(connectors=settings(tmp_path), max_upload_mb=1) as gateway:
        for what, (reply, status, error) in BAD_FILES.items():
            with serving(reply) as server:
                post(gateway, platform, platform.announce(f"{server.url}/a.mp4"))
                assert soon(lambda: imports(gateway)[0]["error"] is not None), what
            assert (imports(gateway)[0]["status"], imports(gateway)[0]["error"]) == (status, error), what
        assert not jobs(gateway) and not gateway.blobs()

"""Tests of outbound requests against real local servers: addresses, headers and timeouts."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from shared.domain.error import AddressBlocked, OutboundFailed
from shared.infra.address_rule import OutboundSettings
from shared.infra.outbound import EXCERPT, Outbound, Resolve, Timeouts
from tests.local_server import Reply, certified, serving

DEFAULT = OutboundSettings(_env_file=None)
SHORT = Timeouts(connect=2.0, next_byte=1.5, total=2.5)  # long enough for a busy machine


def answering(*answers: Sequence[str]) -> Resolve:
    """Returns a resolver that gives the next answer on each call and repeats the last one."""
    left = list(answers)
    return lambda _host, _port: left.pop(0) if len(left) > 1 else left[0]


def local(*answers: Sequence[str]) -> Outbound:
    return Outbound(DEFAULT, loopback=True, resolve=answering(*(answers or (["127.0.0.1"],))))


def fetch(outbound: Outbound, url: str, headers: dict[str, str] | None = None, at_most: int = 10_000) -> bytes:
    with outbound.fetching(url, headers or {}, max_bytes=at_most, limits=Timeouts(total=60.0)) as download:
        return b"".join(download.blocks)


def test_post_sends_body_host_and_headers() -> None:
    with serving(Reply(status=202, body=b"x" * 5000)) as server:
        url = f"http://hook.example:{server.port}/path?a=b"
        answer = local().post(url, b"\x00body", {"content-type": "application/json"})
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/path?a=b", b"\x00body")
    assert asked.headers["host"] == f"hook.example:{server.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("undertone/")
    assert (answer.status, answer.excerpt) == (202, "x" * EXCERPT)


def test_dns_rebinding_to_a_local_address_is_blocked() -> None:
    """The check gets a public address and the request a local one, which must not be called."""
    with serving() as server:
        outbound = Outbound(DEFAULT, resolve=answering(["8.8.8.8"], ["127.0.0.1"]))
        url = f"https://hook.example:{server.port}/"
        outbound.check(url)
        with pytest.raises(AddressBlocked):
            outbound.post(url, b"", {})
    assert server.asked == []


def test_request_resolves_once_and_connects_to_the_checked_address() -> None:
    with serving() as server:
        outbound = local(["127.0.0.1"], ["10.0.0.1"])
        assert outbound.post(f"http://hook.example:{server.port}/", b"", {}).status == 200
        with pytest.raises(AddressBlocked):
            outbound.post(f"http://hook.example:{server.port}/", b"", {})
    assert len(server.asked) == 1


def test_loopback_is_blocked_without_the_option() -> None:
    with serving() as server:
        for url in (server.url, f"https://127.0.0.1:{server.port}", f"https://localhost:{server.port}"):
            with pytest.raises(AddressBlocked):
                Outbound(DEFAULT).post(url, b"", {})
    assert server.asked == []


def test_certificate_must_match_the_host_name(tmp_path: Path) -> None:
    """SNI and certificate verification use the requested host name, although the connection uses an address."""
    server_side, trust = certified(tmp_path, ["hook.example"])
    with serving(tls=server_side) as server:
        outbound = Outbound(DEFAULT, loopback=True, resolve=answering(["127.0.0.1"]), trust=trust)
        assert outbound.post(f"https://hook.example:{server.port}/", b"", {}).status == 200
        for url, client in (
            (f"https://other.example:{server.port}/", outbound),
            (f"https://hook.example:{server.port}/", local()),
        ):
            with pytest.raises(OutboundFailed) as failed:
                client.post(url, b"", {})
            assert failed.value.reason == "tls"
    assert len(server.asked) == 1


def test_next_address_is_tried_if_one_does_not_respond() -> None:
    with serving() as server:
        assert local(["::1", "127.0.0.1"]).post(f"http://hook.example:{server.port}/", b"", {}).status == 200


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy, serving() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        local().post(server.url, b"", {})
        assert (len(proxy.asked), len(server.asked)) == (0, 1)


def test_post_does_not_follow_redirects() -> None:
    with serving(Reply(status=302, headers={"location": "/elsewhere"})) as server:
        assert local().post(server.url, b"", {}).status == 302
    assert len(server.asked) == 1


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(9)
    handler.close_connection = True


def slow(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(90):
        handler.wfile.write(b"H")
        time.sleep(0.1)


def not_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 smtp.example ESMTP\r\n")
    handler.close_connection = True


def closing(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(silent, "timeout"), (slow, "timeout"), (not_http, "protocol"), (closing, "protocol")],
)
def test_failures_have_a_reason_and_end_in_time(raw: object, reason: str) -> None:
    with serving(Reply(raw=raw)) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(OutboundFailed) as failed:
            local().post(server.url, b"", {}, limits=SHORT)
        assert failed.value.reason == reason
        assert "127.0.0.1" not in failed.value.message
        assert time.monotonic() - began < 7


def test_closed_port_and_unresolvable_name_have_a_reason() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(OutboundFailed) as failed:
            local().post(f"http://127.0.0.1:{free.getsockname()[1]}/", b"", {}, limits=SHORT)
    assert failed.value.reason == "connect"

    def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror

    with pytest.raises(OutboundFailed) as failed:
        Outbound(DEFAULT, resolve=unknown).post("https://hook.example/", b"", {})
    assert failed.value.reason == "dns"


def test_endless_response_body_does_not_turn_success_into_failure() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        time.sleep(9)
        handler.close_connection = True

    with serving(Reply(raw=endless)) as server:
        answer = local().post(server.url, b"", {}, limits=SHORT)
    assert (answer.status, answer.excerpt) == (200, "part")


def test_media_download_is_limited_by_content_length() -> None:
    with serving(Reply(body=b"m" * 10_000)) as server:
        assert fetch(local(), server.url) == b"m" * 10_000
        with pytest.raises(OutboundFailed, match="9999") as failed:
            fetch(local(), server.url, at_most=9999)
    assert failed.value.reason == "too_large"


def test_media_without_content_length_are_stopped_at_the_limit() -> None:
    def chunks(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")

    with serving(Reply(raw=chunks)) as server, pytest.raises(OutboundFailed) as failed:
        fetch(local(), server.url, at_most=5000)
    assert failed.value.reason == "too_large"


def test_missing_media_raise_outbound_failed() -> None:
    with serving(Reply(status=404)) as server, pytest.raises(OutboundFailed, match="404"):
        fetch(local(), server.url)


def test_redirect_keeps_the_authorization_header_only_on_the_same_host() -> None:
    with serving(Reply(body=b"there")) as other:
        moves = (Reply(302, {"location": "/b"}), Reply(307, {"location": f"http://other.example:{other.port}/c"}))
        with serving(*moves) as server:
            assert fetch(local(), f"http://hook.example:{server.port}/a", {"Authorization": "Bearer k"}) == b"there"
    assert [(asked.path, "authorization" in asked.headers) for asked in (*server.asked, *other.asked)] == [
        ("/a", True),
        ("/b", True),
        ("/c", False),
    ]


@pytest.mark.parametrize("location", ["http://169.254.169.254/", "file:///etc/passwd", "//user@x.example/", "gopher:x"])
def test_every_redirect_is_checked(location: str) -> None:
    with serving(Reply(302, {"location": location})) as server, pytest.raises(AddressBlocked):
        fetch(local(["127.0.0.1"], ["169.254.169.254"]), server.url)
    assert len(server.asked) == 1


def test_at_most_three_redirects_are_followed() -> None:
    with serving(Reply(302, {"location": "/again"})) as server, pytest.raises(OutboundFailed) as failed:
        fetch(local(), server.url)
    assert (failed.value.reason, len(server.asked)) == ("redirect", 4)

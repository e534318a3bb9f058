"""Outbound requests against real servers on this machine: where they go, what they carry, when they end."""

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
    """A resolver that says something else each time, and its last word for ever."""
    left = list(answers)
    return lambda _host, _port: left.pop(0) if len(left) > 1 else left[0]


def local(*answers: Sequence[str]) -> Outbound:
    return Outbound(DEFAULT, loopback=True, resolve=answering(*(answers or (["127.0.0.1"],))))


def fetch(outbound: Outbound, url: str, headers: dict[str, str] | None = None, at_most: int = 10_000) -> bytes:
    with outbound.fetching(url, headers or {}, max_bytes=at_most, limits=Timeouts(total=60.0)) as download:
        return b"".join(download.blocks)


def test_a_post_carries_the_bytes_the_name_and_our_headers() -> None:
    with serving(Reply(status=202, body=b"x" * 5000)) as server:
        url = f"http://hook.example:{server.port}/path?a=b"
        answer = local().post(url, b"\x00body", {"content-type": "application/json"})
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/path?a=b", b"\x00body")
    assert asked.headers["host"] == f"hook.example:{server.port}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["user-agent"].startswith("undertone/")
    assert (answer.status, answer.excerpt) == (202, "x" * EXCERPT)


def test_a_name_that_resolves_elsewhere_the_second_time_is_not_followed() -> None:
    """DNS rebinding: the check saw a public address; the request must not reach ours."""
    with serving() as server:
        outbound = Outbound(DEFAULT, resolve=answering(["8.8.8.8"], ["127.0.0.1"]))
        url = f"https://hook.example:{server.port}/"
        outbound.check(url)
        with pytest.raises(AddressBlocked):
            outbound.post(url, b"", {})
    assert server.asked == []


def test_a_request_resolves_once_and_connects_to_what_was_judged() -> None:
    with serving() as server:
        outbound = local(["127.0.0.1"], ["10.0.0.1"])
        assert outbound.post(f"http://hook.example:{server.port}/", b"", {}).status == 200
        with pytest.raises(AddressBlocked):
            outbound.post(f"http://hook.example:{server.port}/", b"", {})
    assert len(server.asked) == 1


def test_without_the_flag_nothing_on_this_machine_is_reached() -> None:
    with serving() as server:
        for url in (server.url, f"https://127.0.0.1:{server.port}", f"https://localhost:{server.port}"):
            with pytest.raises(AddressBlocked):
                Outbound(DEFAULT).post(url, b"", {})
    assert server.asked == []


def test_the_certificate_must_be_for_the_name(tmp_path: Path) -> None:
    """The address is judged, the name is proven: SNI and certificate are those of the host that was asked for."""
    server_side, trust = certified(tmp_path, ["hook.example"])
    with serving(tls=server_side) as server:
        outbound = Outbound(DEFAULT, loopback=True, resolve=answering(["127.0.0.1"]), trust=trust)
        assert outbound.post(f"https://hook.example:{server.port}/", b"", {}).status == 200
        for url, asking in (
            (f"https://other.example:{server.port}/", outbound),
            (f"https://hook.example:{server.port}/", local()),
        ):
            with pytest.raises(OutboundFailed) as failed:
                asking.post(url, b"", {})
            assert failed.value.reason == "tls"
    assert len(server.asked) == 1


def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    with serving() as server:
        assert local(["::1", "127.0.0.1"]).post(f"http://hook.example:{server.port}/", b"", {}).status == 200


def test_proxy_variables_have_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy, serving() as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        local().post(server.url, b"", {})
        assert (len(proxy.asked), len(server.asked)) == (0, 1)


def test_a_webhooks_redirect_is_an_answer() -> None:
    with serving(Reply(status=302, headers={"location": "/elsewhere"})) as server:
        assert local().post(server.url, b"", {}).status == 302
    assert len(server.asked) == 1


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(9)
    handler.close_connection = True


def dripping(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(90):
        handler.wfile.write(b"H")
        time.sleep(0.1)


def rubbish(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 smtp.example ESMTP\r\n")
    handler.close_connection = True


def breaking(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(silent, "timeout"), (dripping, "timeout"), (rubbish, "protocol"), (breaking, "protocol")],
)
def test_what_goes_wrong_has_a_class_and_an_end(raw: object, reason: str) -> None:
    with serving(Reply(raw=raw)) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(OutboundFailed) as failed:
            local().post(server.url, b"", {}, limits=SHORT)
        assert failed.value.reason == reason
        assert "127.0.0.1" not in failed.value.message
        assert time.monotonic() - began < 7


def test_a_closed_port_and_a_name_that_leads_nowhere() -> None:
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


def test_a_body_that_never_ends_does_not_undo_a_success() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\npart")
        time.sleep(9)
        handler.close_connection = True

    with serving(Reply(raw=endless)) as server:
        answer = local().post(server.url, b"", {}, limits=SHORT)
    assert (answer.status, answer.excerpt) == (200, "part")


def test_media_are_fetched_and_counted() -> None:
    with serving(Reply(body=b"m" * 10_000)) as server:
        assert fetch(local(), server.url) == b"m" * 10_000
        with pytest.raises(OutboundFailed, match="9999") as failed:
            fetch(local(), server.url, at_most=9999)
    assert failed.value.reason == "too_large"


def test_media_that_hide_their_length_are_stopped_at_the_limit() -> None:
    def chunks(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")

    with serving(Reply(raw=chunks)) as server, pytest.raises(OutboundFailed) as failed:
        fetch(local(), server.url, at_most=5000)
    assert failed.value.reason == "too_large"


def test_media_that_are_not_there_are_a_failure() -> None:
    with serving(Reply(status=404)) as server, pytest.raises(OutboundFailed, match="404"):
        fetch(local(), server.url)


def test_a_redirect_of_media_keeps_the_key_only_on_the_same_host() -> None:
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
def test_every_redirect_is_judged_anew(location: str) -> None:
    with serving(Reply(302, {"location": location})) as server, pytest.raises(AddressBlocked):
        fetch(local(["127.0.0.1"], ["169.254.169.254"]), server.url)
    assert len(server.asked) == 1


def test_redirects_end_after_three() -> None:
    with serving(Reply(302, {"location": "/again"})) as server, pytest.raises(OutboundFailed) as failed:
        fetch(local(), server.url)
    assert (failed.value.reason, len(server.asked)) == ("redirect", 4)

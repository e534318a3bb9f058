"""Hostile requests of a tenant: uploads, streams, connections, headers, cookies, cursors."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.attacks.served import ATTACKER, VICTIM, Served
from tests.gateway.serving import MP4

TUS = {"Tus-Resumable": "1.0.0"}
APPEND = {**TUS, "Content-Type": "application/offset+octet-stream"}
STREAMS = 1000
PIPELINED = 2000
Attack = Callable[[Served], Iterable[int]]


def status_of(response: bytes) -> int:
    """The status of a raw response, or 0 for a connection that was closed without one."""
    return int(response[9:12]) if response.startswith(b"HTTP/1.1 ") else 0


def uploads_that_lie(served: Served) -> Iterator[int]:
    with served.client() as client:
        for length in ("-1", "1e3", "9" * 18, "9" * 40, "0x10", "\u0661", ""):
            headers = {b"Tus-Resumable": b"1.0.0", b"Upload-Length": length.encode()}
            yield client.post("/v1/uploads", headers=headers).status_code
        created = client.post("/v1/uploads", headers={**TUS, "Upload-Length": "1000"})
        path = created.headers["location"]
        for offset, size in (
            ("-1", 9),
            ("999", 9),
            ("1001", 9),
            ("9" * 18, 9),
            ("0", 5000),
            ("x", 9),
            ("0", 10),
            ("0", 9),
        ):
            answer = client.patch(path, content=b"x" * size, headers={**APPEND, "Upload-Offset": offset})
            yield answer.status_code
        with served.client(VICTIM) as stranger:
            assert stranger.head(path, headers=TUS).status_code == 404
            assert stranger.patch(path, content=b"x", headers={**APPEND, "Upload-Offset": "0"}).status_code == 404


def parallel_parts_of_one_upload(served: Served) -> Iterator[int]:
    content = MP4 + bytes(400_000)
    with served.client() as client:
        path = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(content))}).headers["location"]

        def append(_number: int) -> int:
            return client.patch(path, content=content, headers={**APPEND, "Upload-Offset": "0"}).status_code

        with ThreadPoolExecutor(20) as threads:
            statuses = list(threads.map(append, range(40)))
        assert statuses.count(204) == 1, statuses
        yield from statuses


def overlong_metadata(served: Served) -> Iterator[int]:
    pairs = [
        "name " + base64.b64encode(b"x" * 20_000).decode(),
        ",".join(f"k{number} eA==" for number in range(900)),
        "name eA==,name eA==",
        "name \u00ff",
        "," * 30_000,
        "a b c d",
        "name " + base64.b64encode("\u202e\x00\n../../x".encode()).decode(),
    ]
    with served.client() as client:
        for text in pairs:
            headers = {b"Tus-Resumable": b"1.0.0", b"Upload-Length": b"10", b"Upload-Metadata": text.encode()}
            yield client.post("/v1/uploads", headers=headers).status_code


def a_thousand_streams(served: Served) -> Iterator[int]:
    request = f"GET /v1/jobs/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.keys[ATTACKER]}\r\n\r\n"
    with ExitStack() as after:
        lines = []
        for _ in range(STREAMS):
            lines.append(after.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=30)))
            lines[-1].sendall(request.encode())
        statuses = [status_of(line.recv(1024)) for line in lines]
    assert statuses.count(200) <= 50, "streams of a key are limited"
    yield from statuses


def pipelined_requests(served: Served) -> Iterator[int]:
    key = served.keys[ATTACKER]
    one = f"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    answered = served.raw(one * PIPELINED, seconds=5)
    yield from (status_of(b"HTTP/1.1 " + part) for part in answered.split(b"HTTP/1.1 ")[1:])
    mixed = f"GET /v1/jobs/{served.victim_job} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    keyless = b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = served.raw(one + mixed + keyless + one, seconds=5).split(b"HTTP/1.1 ")[1:]
    assert [int(answer[:3]) for answer in answers] == [200, 404, 401], "a refused request ends the connection"


def header_floods(served: Served) -> Iterator[int]:
    key = f"Authorization: Bearer {served.keys[ATTACKER]}\r\n"
    start = f"GET /v1/jobs HTTP/1.1\r\nHost: x\r\n{key}"
    for headers in (
        "X: y\r\n" * 5000,
        "X: y\r\n" * 200_000,
        f"X: {'y' * 31_000}\r\n",
        f"X: {'y' * 1_000_000}\r\n",
        f"{'X' * 60_000}: y\r\n",
        key * 300,
        f"Cookie: {'a=b; ' * 6000}\r\n",
        f"Cookie: {'undertone_session=x; ' * 1400}\r\n",
        f"Range: bytes={','.join('0-1' for _ in range(5000))}\r\n",
        f"If-None-Match: {','.join(['W/x'] * 7000)}\r\n",
        f"Accept-Language: {','.join(['de;q=0.1'] * 3000)}\r\n",
        f"X-Forwarded-For: {','.join(['1.2.3.4'] * 3000)}\r\n",
        f"Accept-Encoding: {','.join(['gzip'] * 5000)}\r\n",
        f"Transfer-Encoding: {','.join(['chunked'] * 3000)}\r\n",
    ):
        yield status_of(served.raw(f"{start}{headers}\r\n".encode()))
        page = f"GET /shared/x HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
        yield status_of(served.raw(page.encode()))


def cookies_and_forged_origins(served: Served) -> Iterator[int]:
    with served.client() as keyed, served.client() as client:
        del client.headers["Authorization"]
        own, form = {"Sec-Fetch-Site": "same-origin"}, {"key": served.keys[ATTACKER], "next": "https://evil.example"}
        fixed = "A" * 43
        signed_in = client.post("/sign-in", data=form, headers={**own, "Cookie": f"undertone_session={fixed}"})
        assert signed_in.status_code == 303 and signed_in.headers["location"] == "/"
        token = signed_in.cookies["undertone_session"]
        assert token != fixed, "a session that the attacker chose"
        client.cookies.clear()
        assert client.get("/", headers={"Cookie": f"undertone_session={fixed}"}).status_code == 303
        job = keyed.get("/v1/jobs").json()["items"]
        session = {"Cookie": f"undertone_session={token}"}
        for forged in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://127.0.0.1:{served.port}.evil.example"},
            {"Origin": f"http://x@127.0.0.1:{served.port}"},
            {"Origin": "http://["},
            {},
        ):
            for method, path in (
                ("POST", "/sign-out"),
                ("DELETE", f"/v1/jobs/{served.victim_job}"),
                ("POST", "/search"),
            ):
                answer = client.request(method, path, headers={**session, **forged})
                assert answer.status_code in (401, 403), (method, path, forged, answer.status_code)
        assert keyed.get("/v1/jobs").json()["items"] == job
        for cookie in (
            "undertone_session=" + "x" * 10_000,
            "undertone_session=\u00ff",
            'undertone_session="a;b"',
            "=;;=,",
            "a" * 30_000,
        ):
            yield client.get("/v1/jobs", headers={b"Cookie": cookie.encode()}).status_code
        assert client.get(f"/v1/jobs/{served.victim_job}", headers=session).status_code == 404
        client.post("/sign-out", headers={**session, **own})
        assert client.get("/", headers=session).status_code == 303, "an ended session"


def cursors(served: Served) -> Iterator[int]:
    now = "2026-11-02T12:00:00Z"
    values: list[object] = [
        {"at": now, "id": served.victim_job},
        {"at": now, "id": f"{served.victim_job}:1"},
        {"at": now, "id": "' OR 1=1 --"},
        {"at": now, "id": ["x"]},
        {"at": "2026-13-99T99:99:99Z", "id": "x"},
        {"at": -(10**300), "id": "x"},
        {"id": "x"},
        [[[[]]]],
        "x",
        None,
        {"at": now, "id": "x:" + "1" * 5000},
        {"at": now, "id": "\ud800"},
    ]
    texts = [base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=") for value in values]
    texts += ["=", "%00", "a" * 20_000, base64.urlsafe_b64encode(b"[" * 15_000).decode(), "\u0661"]
    with served.client() as client:
        for path in ("/v1/jobs", "/v1/search?q=x", "/v1/imports", "/v1/webhooks", "/v2/transcript", "/v0/batch/jobs"):
            for text in texts:
                answer = client.get(path, params={**({"q": "x"} if "?" in path else {}), "cursor": text})
                assert served.victim_job not in answer.text.replace(text, "")
                yield answer.status_code


REQUESTS: dict[str, Attack] = {
    attack.__name__.replace("_", " "): attack
    for attack in (
        uploads_that_lie,
        parallel_parts_of_one_upload,
        overlong_metadata,
        a_thousand_streams,
        pipelined_requests,
        header_floods,
        cookies_and_forged_origins,
        cursors,
    )
}

"""Authentication: keys with scopes, isolation of tenants, and keyless mode on loopback addresses only."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from services.gateway.compat.apis import APIS
from services.gateway.context import require_key
from services.gateway.service_routes import SCHEMA
from services.gateway.settings import GatewaySettings
from shared.domain.error import InvalidSetting
from shared.domain.tenant import Scope
from shared.domain.webhook import EventType
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.web.application import create_application
from shared.infra.web.authenticator import make_authenticator
from shared.infra.web.system_routes import OPEN_PATHS as SYSTEM_PATHS
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway
from tests.service_fakes import new_job

UNKNOWN = "0" * 32
OPEN_PATHS = (*SYSTEM_PATHS, SCHEMA)
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/v1/jobs/{job_id}"): {"json": {"name": "Weekly"}},
    ("PATCH", "/v1/webhooks/{endpoint_id}"): {"json": {"enabled": True}},
    ("PATCH", "/v1/uploads/{upload_id}"): {
        "content": b"x",
        "headers": {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    },
}


def routes_of(gateway: Gateway) -> list[tuple[str, str]]:
    """Every route of the application, including those of included routers."""
    found = []
    for path, item in gateway.app.openapi()["paths"].items():
        found += [(method.upper(), path) for method in item]
    return found


def test_every_route_is_described(gateway: Gateway) -> None:
    app_routes: list[APIRoute] = []
    stack = list(gateway.app.routes)
    while stack:
        route = stack.pop()
        if isinstance(route, APIRoute):
            app_routes.append(route)
        stack += getattr(getattr(route, "original_router", None), "routes", [])
    paths = {(method, route.path) for route in app_routes for method in route.methods or ()}
    hidden = {("OPTIONS", "/v1/uploads/{upload_id}")}
    # Their vendors describe the routes of the compatible APIs.
    hidden |= {
        (method, path)
        for method, path in paths
        if any(dialect.covers(path) for api in APIS.values() for dialect in api.dialects)
    }
    hidden |= {("GET", path) for api in APIS.values() for path in api.open_paths}
    assert paths - hidden == set(routes_of(gateway))


def test_resources_of_another_tenant_look_like_missing_ones(gateway: Gateway, stranger: httpx.Client) -> None:
    """Every route with an id returns 404 with the same body as for an unknown id."""
    context = gateway.context
    job = context.jobs.add("ours", new_job())
    endpoint, _ = context.callbacks.make("ours", "http://127.0.0.1:9999/", frozenset({EventType.TEST}))
    ids = {
        "job_id": job.id,
        "endpoint_id": endpoint.id,
        "delivery_id": context.deliveries.ping("ours", endpoint.id).id,
        "upload_id": context.uploads.create("ours", 10, "", context.clock() + timedelta(hours=1)).id,
        "key_id": gateway.keys["ours"].split("_")[1],
    }
    admin, key = make_key("theirs", set(Scope), gateway.database.now)  # also for calls that need `admin`
    SqlKeyStore(gateway.database).add(key)
    tried = 0
    for method, path in routes_of(gateway):
        names = re.findall(r"{(\w+)}", path)
        if not names:
            continue
        (name,) = names
        answers = []
        for value in (ids[name], UNKNOWN):
            extra: dict[str, Any] = {"headers": {"Tus-Resumable": "1.0.0"}, **BODIES.get((method, path), {})}
            extra["headers"] = {**extra["headers"], "Authorization": f"Bearer {admin}"}
            answers.append(stranger.request(method, path.replace(f"{{{name}}}", value), **extra))
        bodies = [answer.text.replace(ids[name], UNKNOWN) for answer in answers]
        assert [answer.status_code for answer in answers] == [404, 404], (method, path)
        assert bodies[0] == bodies[1], (method, path)
        tried += 1
    assert tried >= 14
    assert context.jobs.find("ours", job.id) == job
    for foreign in ({"upload": ids["upload_id"]},):
        assert stranger.post("/v1/recordings", json=foreign).status_code == 404
    assert stranger.get("/v1/jobs").json()["items"] == []
    assert stranger.get("/v1/webhooks").json()["items"] == []


def test_requests_without_a_valid_key_are_rejected(gateway: Gateway) -> None:
    good = gateway.keys["ours"]
    key_id = good.split("_")[1]
    bad = [None, "", "Basic abc", "Bearer", "Bearer x", f"Bearer ut_{key_id}_wrong", f"Bearer {good}x", "Bearer ut__"]
    bad += [f"Bearer ut_{UNKNOWN}_x", "Bearer " + "x" * 10_000, f"Bearer ut_{key_id}' OR 1=1 --_x"]
    with gateway.client(None) as nobody:
        for method, path in routes_of(gateway):
            if path in OPEN_PATHS or method == "OPTIONS":
                continue
            answer = nobody.request(method, re.sub(r"{\w+}", UNKNOWN, path), headers={"Tus-Resumable": "1.0.0"})
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
        for header in bad:
            answer = nobody.get("/v1/jobs", headers={} if header is None else {"Authorization": header})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key"), header
        assert nobody.get("/v1/jobs", headers={"Authorization": f"bearer {good}"}).status_code == 200
        for path in OPEN_PATHS:
            assert nobody.get(path).status_code == 200


def test_scopes_limit_what_a_key_may_do(gateway: Gateway) -> None:
    with gateway.client("readers") as reader:
        for method, path in routes_of(gateway):
            if path in OPEN_PATHS or method == "OPTIONS":
                continue
            body = {"json": {"url": "https://a.example/"}} if path == "/v1/webhooks" and method == "POST" else {}
            body = BODIES.get((method, path), body)
            extra: dict[str, Any] = {"headers": {"Tus-Resumable": "1.0.0"}, **body}
            answer = reader.request(method, re.sub(r"{\w+}", UNKNOWN, path), **extra)
            assert answer.status_code == 403, (method, path, answer.text)


def test_a_revoked_or_expired_key_is_rejected(gateway: Gateway, client: httpx.Client) -> None:
    keys, now = SqlKeyStore(gateway.database), gateway.context.clock()
    text, key = make_key("ours", set(Scope), now, expires_at=now - timedelta(seconds=1))
    keys.add(key)
    assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    keys.revoke("ours", gateway.keys["ours"].split("_")[1])
    assert client.get("/v1/jobs").status_code == 401


def test_requests_over_the_rate_limit_are_rejected_before_the_body_is_read(opened: Open) -> None:
    with opened(requests_per_minute=5) as gateway, gateway.client() as client:
        answers = [client.get("/v1/jobs") for _ in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert answers[-1].json()["code"] == "too_many_requests" and int(answers[-1].headers["retry-after"]) >= 1
        head = f"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.keys['ours']}\r\n"
        response = gateway.raw(f"{head}Content-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n".encode())
        assert response.startswith(b"HTTP/1.1 429"), "without a byte of the body"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "meetings.example", ""])  # noqa: S104 - the test needs it
def test_keyless_mode_starts_on_loopback_addresses_only(tmp_path: Path, host: str) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'u.db'}")
    with pytest.raises(InvalidSetting, match="loopback"):
        create_application([], GatewaySettings(keyless=True, host=host), database)
    with pytest.raises(InvalidSetting, match="no API key"):
        require_key(GatewaySettings(host=host), database)
    database.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_keyless_mode_starts_on_every_loopback_address(tmp_path: Path, host: str) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'u.db'}")
    settings = GatewaySettings(keyless=True, host=host)
    require_key(settings, database)
    assert make_authenticator(settings, database).keyless
    database.close()


def test_keyless_mode_accepts_local_requests_and_no_web_pages(opened: Open) -> None:
    with opened(keyless=True) as gateway, gateway.client(None) as client:
        assert client.get("/v1/jobs").status_code == 200
        assert client.get("/v1/jobs", headers={"Authorization": "Bearer anything"}).status_code == 200
        posted = client.post("/v1/recordings", content=MP4, headers={"content-type": "video/mp4"})
        assert posted.status_code == 202
        assert client.get("/v1/jobs", headers={"Origin": "http://localhost:3000"}).status_code == 200
        refused: list[dict[str, str]] = [
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example"},
            {"Host": ""},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1.evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"X-Forwarded-For": "127.0.0.1"},
        ]
        for headers in refused:
            for path in ("/v1/jobs", "/livez"):
                answer = client.get(path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (403, "host_not_allowed"), headers

"""The whole service: isolation of tenants, described responses, health, and rejected settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.results import __main__ as main
from services.results.page.render import FILES
from services.results.page.render import HEADERS as PAGE_HEADERS
from services.results.page.sign_in import SIGN_IN
from shared.domain.error import InvalidSetting
from shared.domain.job_blobs import captioned_key
from shared.infra.web.authenticator import KEYLESS_TENANT
from shared.infra.web.problems import MEDIA_TYPE
from shared.infra.web.security_headers import HEADERS
from shared.infra.web.system_routes import OPEN_PATHS
from tests.exports.sample import ANA
from tests.results.conftest import ADMIN, ResultsHarness, opened_app

BODIES: dict[str, dict[str, Any]] = {
    "speakers": {"name": "Mallory"},
    "utterances": {"text": "Mallory."},
    "undo": {},
    "redo": {},
    "links": {},
    "edits": {"operations": [{"op": "join", "utterance": 0}]},
}


def routes(harness: ResultsHarness) -> Iterator[tuple[str, str]]:
    for route in flattened(harness.app.routes):
        for method in route.methods or ():
            yield method, route.path


def flattened(entries: Any) -> Iterator[Any]:
    for route in entries:
        if hasattr(route, "methods"):
            yield route
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None:
            yield from flattened(inner.routes)


def filled_path(path: str, job_id: str) -> str:
    known = {"job_id": job_id, "speaker_id": "S1", "index": "0", "endpoint_id": "e1"}
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), path)


def body_for(path: str) -> dict[str, Any] | None:
    return next((body for part, body in BODIES.items() if f"/{part}" in path), None)


def test_the_list_of_routes_is_complete(harness: ResultsHarness) -> None:
    paths = {path for _, path in routes(harness)}
    assert {re.sub(r"\{\w+\}", "{}", path) for path in harness.web().get("/openapi.json").json()["paths"]} <= {
        re.sub(r"\{\w+\}", "{}", path) for path in paths
    }
    assert len(paths) > 20 and "/v1/transcripts/{job_id}.eaf" in paths


def test_another_tenants_transcript_looks_missing_on_every_route(harness: ResultsHarness) -> None:
    theirs = harness.done("theirs")
    harness.blobs.put("theirs", captioned_key(theirs.job_id), [b"video"])
    web, tried = harness.web(), 0
    for method, path in routes(harness):
        if "{job_id}" not in path:
            continue
        answers = [
            web.request(method, filled_path(path, job_id), json=body_for(path)) for job_id in (theirs.job_id, "0" * 32)
        ]
        # No language model is set: notes are rejected before their transcript is looked up.
        status = 409 if method == "POST" and path.endswith("/notes") else 404
        assert [answer.status_code for answer in answers] == [status, status], (method, path)
        assert answers[0].text.replace(theirs.job_id, "0" * 32) == answers[1].text
        headers = [dict(answer.headers) | {"x-request-id": ""} for answer in answers]
        assert headers[0] == headers[1]
        tried += 1
    assert tried >= 2 * 13 + 3
    for query in ({"q": "customer"}, {"job": theirs.job_id}, {"speaker": "S1"}):
        assert web.get("/v1/search", params=query).json() == {"items": [], "next_cursor": None}
    assert harness.web(tenant="theirs").get(f"/v1/transcripts/{theirs.job_id}/corrections").json() == {"items": []}


def test_without_a_key_only_health_and_the_description_respond(harness: ResultsHarness) -> None:
    web = TestClient(harness.app)
    for method, path in routes(harness):
        answer = web.request(method, filled_path(path, "0" * 32), json=body_for(path), follow_redirects=False)
        if path in {*OPEN_PATHS, *FILES}:
            assert answer.status_code == 200 or method == "HEAD"
        elif path == SIGN_IN:
            assert answer.status_code == (200 if method == "GET" else 403)
        elif path.startswith("/shared/"):
            assert answer.status_code == 404, path
            continue  # its headers: tests/attacks/test_share_links.py
        elif path in {"/", "/meetings/{job_id}", "/meetings/{job_id}/summary"} or path.startswith("/manage"):
            assert (answer.status_code, answer.headers.get("location", "")[:8]) == (303, "/sign-in"), (method, path)
        else:
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers.items() >= {
            (name.lower(), value) for name, value in HEADERS.items() if name not in {"Cache-Control", *PAGE_HEADERS}
        }
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy


def test_every_response_is_described(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    described = web.get("/openapi.json").json()
    paths = described["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["operationId"]
            assert all(answer["description"] for answer in operation["responses"].values())
            if path not in OPEN_PATHS:
                assert {"401", "403", "422", "429", "500"} <= set(operation["responses"]), path
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and path not in OPEN_PATHS:
                    assert set(answer["content"]) == {MEDIA_TYPE}
            for headers in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=99999999-"}, {"If-None-Match": "*"}):
                for job_id in (made.job_id, harness.queued()):
                    met = web.request(method, filled_path(path, job_id), json=body_for(path), headers=headers)
                    assert str(met.status_code) in operation["responses"], (path, met.status_code)
    assert described["security"] == [{"key": []}]
    assert "Problem" in described["components"]["schemas"]
    assert paths["/v1/transcripts/{job_id}"]["get"]["responses"]["409"]["description"].count("`") >= 6


def test_metrics_contain_no_ids_and_logs_no_content(harness: ResultsHarness, capfd: pytest.CaptureFixture[str]) -> None:
    made = harness.done()
    web = harness.web()
    for path in ("", ".vtt", "/summary", ".mp4"):
        web.get(f"/v1/transcripts/{made.job_id}{path}")
    web.get("/v1/search", params={"q": "customer"})
    web.get("/nowhere/Wednesday")
    web.request("WEDNESDAY", "/livez")
    web.patch(f"/v1/transcripts/{made.job_id}/utterances/0", json={"text": "Wednesday."})
    metrics = harness.web(ADMIN).get("/metrics").text
    assert web.get("/metrics").json()["code"] == "insufficient_scope"
    assert 'route="/v1/transcripts/{job_id}.vtt"' in metrics
    logged = capfd.readouterr()
    for word in (made.job_id, "customer", "Wednesday", "WEDNESDAY", ANA):
        assert word not in metrics
        assert word not in logged.out + logged.err


def test_it_is_ready_while_database_and_storage_respond(
    harness: ResultsHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    web = TestClient(harness.app)
    assert web.get("/livez").json() == {"status": "ok"}
    assert web.get("/readyz").json() == {"ready": True, "checks": {"database": True, "storage": True}}

    class NoStorage:
        def probe(self) -> None:
            raise ConnectionError("s3://secret@somewhere")

    down = TestClient(opened_app(harness.database, NoStorage()))  # type: ignore[arg-type]
    answer = down.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "checks": {"database": True, "storage": False}}
    assert "secret" not in answer.text + capsys.readouterr().out
    assert down.get("/livez").status_code == 200


def test_keyless_mode_needs_no_key_on_a_loopback_address(harness: ResultsHarness) -> None:
    app = opened_app(harness.database, harness.blobs, keyless=True)
    made = harness.done(KEYLESS_TENANT)
    theirs = harness.done("theirs")
    web = TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000))
    assert web.get(f"/v1/transcripts/{made.job_id}").json()["job_id"] == made.job_id
    assert web.patch(f"/v1/transcripts/{made.job_id}/speakers/S1", json={"name": "Anna"}).status_code == 200
    assert web.get(f"/v1/transcripts/{made.job_id}/corrections").json()["items"][0]["key_id"] is None
    assert web.get(f"/v1/transcripts/{theirs.job_id}").status_code == 404
    evil = web.get(f"/v1/transcripts/{made.job_id}", headers={"Host": "evil.example"})
    assert (evil.status_code, evil.json()["code"]) == (403, "host_not_allowed")


def test_keyless_mode_does_not_start_on_a_public_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("RESULTS__KEYLESS", "true")
    monkeypatch.setenv("RESULTS__HOST", "0.0.0.0")  # noqa: S104
    with pytest.raises(InvalidSetting, match="loopback"):
        main.main()


def test_the_api_description_claims_nothing_about_feelings(harness: ResultsHarness) -> None:
    description = json.dumps(harness.web().get("/openapi.json").json()).lower()
    for word in ("feels", "is angry", "true emotion", "stress", "engagement", "productivity"):
        assert word not in description
    assert "perceived" in description


def test_requests_over_the_rate_limit_are_rejected(harness: ResultsHarness) -> None:
    made = harness.done()
    app = opened_app(harness.database, harness.blobs, per_minute=3)
    web = TestClient(app, headers={"Authorization": f"Bearer {harness.key()}"})
    codes = [web.get(f"/v1/transcripts/{made.job_id}").status_code for _ in range(7)]
    assert codes[:3] == [200, 200, 200] and 429 in codes[3:]  # a new minute may begin once, and allows three more


def test_only_pages_of_allowed_origins_may_use_the_api(harness: ResultsHarness) -> None:
    made = harness.done()
    web = TestClient(opened_app(harness.database, harness.blobs, origins="https://app.example, https://b.example"))
    path = f"/v1/transcripts/{made.job_id}"
    preflight = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    allowed = web.options(path, headers={"Origin": "https://app.example", **preflight})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    key = {"Authorization": f"Bearer {harness.key()}"}
    read = web.get(path, headers={"Origin": "https://b.example", **key})
    assert (read.status_code, read.headers["access-control-allow-origin"]) == (200, "https://b.example")
    assert "ETag" in read.headers["access-control-expose-headers"]
    other = web.get(path, headers={"Origin": "https://evil.example", **key})
    assert "access-control-allow-origin" not in other.headers
    assert (
        "access-control-allow-origin" not in harness.web().get(path, headers={"Origin": "https://app.example"}).headers
    )

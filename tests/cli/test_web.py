"""On one machine gateway and results are one application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.cli.web import create_web
from services.gateway.context import Deployment
from services.gateway.settings import GatewaySettings
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database, open_database
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.web.body_limit import MAX_BODY
from shared.infra.web.security_headers import HEADERS
from tests.gateway.serving import MemoryQueue


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
    yield opened
    opened.close()


def web(database: Database, folder: Path, per_minute: int = 600) -> TestClient:
    deployment = Deployment(
        gateway=GatewaySettings(keyless=True, requests_per_minute=per_minute),
        storage=StorageSettings(folder=folder, reserve_mb=1),
        governance=GovernanceSettings(),
        outbound=OutboundSettings(),
        secrets=SecretSettings(),
        redis=RedisSettings(),
        queue=QueueSettings(),
    )
    app = create_web(deployment, database, MemoryQueue())
    return TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000))


def test_gateway_and_results_are_one_service(database: Database, tmp_path: Path) -> None:
    with web(database, tmp_path) as client:
        assert client.get("/v1/jobs").json()["items"] == []
        assert client.get("/v1/search", params={"q": "hello"}).json()["items"] == []
        assert client.get("/v1/transcripts/unknown.vtt").json()["code"] == "not_found"
        assert set(client.get("/readyz").json()["checks"]) == {"database", "queue", "disk", "storage"}
        described = client.get("/openapi.json").json()
        metrics = client.get("/metrics").text
    assert described["paths"].keys() >= {"/v1/recordings", "/v1/search", "/v1/transcripts/{job_id}.vtt", "/livez"}
    assert described["components"]["schemas"].keys() >= {"Problem", "SearchPage", "UtterancePatch", "JobRequestByUrl"}
    for route in ("/v1/jobs", "/v1/search"):
        assert f'undertone_http_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in metrics
    for name in ("undertone_gateway_uploads", "undertone_queue_stages"):
        assert f"\n{name}" in metrics


def test_every_response_has_the_security_headers(database: Database, tmp_path: Path) -> None:
    with web(database, tmp_path) as client:
        for path, status in (("/v1/jobs", 200), ("/v1/transcripts/unknown", 404), ("/nowhere", 404), ("/errors", 200)):
            answer = client.get(path)
            assert answer.status_code == status
            expected = {name.lower(): value for name, value in HEADERS.items() if name != "Cache-Control"}
            assert answer.headers.items() >= expected.items(), path


def test_all_routes_count_against_one_rate_limit(database: Database, tmp_path: Path) -> None:
    with web(database, tmp_path, per_minute=3) as client:
        paths = ("/v1/jobs", "/v1/search?q=a", "/v1/audit", "/v1/transcripts/a")
        assert [client.get(path).status_code for path in paths] == [200, 200, 200, 429]


def test_each_route_keeps_its_body_limit(database: Database, tmp_path: Path) -> None:
    with web(database, tmp_path) as client:

        def status(method: str, path: str, size: int) -> int:
            headers = {"Content-Type": "application/json"}
            return client.request(method, path, content=b" " * size, headers=headers).status_code

        assert status("POST", "/v1/webhooks", MAX_BODY) == 422
        assert status("POST", "/v1/webhooks", MAX_BODY + 1) == 413
        utterance = "/v1/transcripts/unknown/utterances/0"
        assert status("PATCH", utterance, 2 * MAX_BODY) == 422
        assert status("PATCH", utterance, 2 * MAX_BODY + 1) == 413
        content = b"\0\0\0\x18ftypmp42" + bytes(3 * MAX_BODY)
        assert client.post("/v1/recordings", content=content, headers={"Content-Type": "video/mp4"}).status_code == 202

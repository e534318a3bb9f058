from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from services.cli.combined_app import CombinedApp, combine
from services.gateway.assemble import Deployment
from services.gateway.settings import GatewaySettings
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import open_database
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretSettings
from shared.infra.settings import GovernanceSettings, StorageSettings
from tests.gateway.serving import MemoryQueue


def app(name: str, *routes: tuple[str, str], lived: list[str]) -> Starlette:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(name)

    @asynccontextmanager
    async def living(_: Starlette) -> AsyncIterator[None]:
        lived.append(f"{name} begins")
        yield
        lived.append(f"{name} ends")

    return Starlette(routes=[Route(path, answer, methods=[method]) for method, path in routes], lifespan=living)


def test_each_request_goes_to_whoever_has_its_route() -> None:
    lived: list[str] = []
    doors = [("POST", "/v1/jobs"), ("GET", "/livez"), ("GET", "/v1/both")]
    views = [("GET", "/v1/transcripts/{id}"), ("GET", "/livez"), ("PATCH", "/v1/both")]
    front = CombinedApp([app("gateway", *doors, lived=lived), app("results", *views, lived=lived)])
    with TestClient(front) as client:
        assert lived == ["gateway begins", "results begins"]
        assert said(client.post("/v1/jobs")) == (200, "gateway")
        assert said(client.get("/v1/transcripts/j")) == (200, "results")
        assert said(client.get("/livez")) == (200, "gateway"), "the first one that knows it"
        assert said(client.patch("/v1/both")) == (200, "results"), "by its method too"
        assert client.get("/v1/jobs").status_code == 405
        assert client.get("/nowhere").status_code == 404
    assert lived[2:] == ["results ends", "gateway ends"]


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.text


def test_gateway_and_results_are_one_service(tmp_path: Path) -> None:
    deployment = Deployment(
        gateway=GatewaySettings(keyless=True),
        storage=StorageSettings(folder=tmp_path, reserve_mb=1),
        governance=GovernanceSettings(),
        outbound=OutboundSettings(),
        secrets=SecretSettings(),
        redis=RedisSettings(),
        queue=QueueSettings(),
    )
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
    front = combine(deployment, database, MemoryQueue())
    with TestClient(front, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        assert client.get("/v1/jobs").json()["items"] == []
        assert client.get("/v1/search", params={"q": "hello"}).json()["items"] == []
        assert client.get("/v1/transcripts/unknown.vtt").json()["code"] == "not_found"
        described = client.get("/openapi.json").json()
        metrics = client.get("/metrics").text
    assert described["paths"].keys() >= {"/v1/recordings", "/v1/search", "/v1/transcripts/{job_id}.vtt", "/livez"}
    assert described["components"]["schemas"].keys() >= {"Problem", "SearchPage", "UtterancePatch"}
    for name in ("undertone_gateway_requests_total", "undertone_results_requests_total", "undertone_queue_stages"):
        assert f"\n{name}{{" in metrics, "one page for the one port"
    database.close()

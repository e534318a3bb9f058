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


def app(name: str, *routes: tuple[str, str], events: list[str]) -> Starlette:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(name)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        events.append(f"{name} starts")
        yield
        events.append(f"{name} stops")

    return Starlette(routes=[Route(path, answer, methods=[method]) for method, path in routes], lifespan=lifespan)


def test_each_request_is_dispatched_to_the_app_with_its_route() -> None:
    events: list[str] = []
    doors = [("POST", "/v1/jobs"), ("GET", "/livez"), ("GET", "/v1/both")]
    views = [("GET", "/v1/transcripts/{id}"), ("GET", "/livez"), ("PATCH", "/v1/both")]
    front = CombinedApp([app("gateway", *doors, events=events), app("results", *views, events=events)])
    with TestClient(front) as client:
        assert events == ["gateway starts", "results starts"]
        assert status_and_text(client.post("/v1/jobs")) == (200, "gateway")
        assert status_and_text(client.get("/v1/transcripts/j")) == (200, "results")
        assert status_and_text(client.get("/livez")) == (200, "gateway"), "the first matching app"
        assert status_and_text(client.patch("/v1/both")) == (200, "results"), "dispatched by method too"
        assert client.get("/v1/jobs").status_code == 405
        assert client.get("/nowhere").status_code == 404
    assert events[2:] == ["results stops", "gateway stops"]


def status_and_text(answer: Any) -> tuple[int, str]:
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
        assert f"\n{name}{{" in metrics, "one metrics page for the port"
    database.close()

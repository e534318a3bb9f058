"""The authorization matrix: every route has a rule here, and each key is refused or admitted as the rule says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.routing import Route

from services.gateway import list_events
from services.gateway.app import gateway_service
from services.gateway.connectors.nextcloud import PREFIX as NEXTCLOUD
from services.gateway.connectors.settings import (
    BigBlueButtonSettings,
    ConnectorsSettings,
    GenericSettings,
    JaasSettings,
    LiveKitSettings,
    NextcloudSettings,
    ZoomSettings,
)
from services.gateway.context import Context, Deployment
from services.gateway.settings import GatewaySettings
from services.results.app import results_services
from services.results.page.render import FILES
from services.results.settings import FeatureSettings
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS
from shared.exports.svg import DRAWINGS
from shared.infra.database.engine import Database, open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.secret_encryption import SecretSettings, new_key, new_webhook_secret
from shared.infra.settings import StorageSettings
from shared.infra.web.application import create_application
from tests.gateway.serving import MemoryQueue
from tests.stores import Stores

ID = "0" * 32
SECRET = SecretStr("secret")
HEADERS = {"Tus-Resumable": "1.0.0", "Sec-Fetch-Site": "same-origin"}
WRITE, READ, HOOKS = {Scope.RECORDINGS_WRITE}, {Scope.TRANSCRIPTS_READ}, {Scope.WEBHOOKS_WRITE}
Rule = Sequence[set[Scope]]  # alternatives, each a set of scopes that are needed together; `admin` has every scope
OPEN: Rule = ()
EDIT: Rule = [WRITE | READ]
ADMIN: Rule = [{Scope.ADMIN}]
VIEWS = [
    "",
    "/summary",
    *(f"/summary/{name}" for name in DRAWINGS),
    ".mp4",
    *(f".{form.suffix}" for form in FORMATS.values()),
]
ASSEMBLYAI_VIEWS = ["srt", "vtt", "sentences", "paragraphs", "word-search", "redacted-audio"]
RULES: dict[str, Rule] = {
    "POST /v1/recordings": [WRITE],
    "POST /v1/uploads": [WRITE],
    "HEAD /v1/uploads/{}": [WRITE],
    "PATCH /v1/uploads/{}": [WRITE],
    "DELETE /v1/uploads/{}": [WRITE],
    "GET /v1/jobs": [WRITE, READ],
    "GET /v1/jobs/events": [WRITE, READ],
    "GET /v1/jobs/{}": [WRITE, READ],
    "GET /v1/jobs/{}/events": [WRITE, READ],
    "PATCH /v1/jobs/{}": [WRITE],
    "DELETE /v1/jobs/{}": [WRITE],
    "POST /v1/jobs/{}/retry": [WRITE],
    "GET /v1/webhooks": [HOOKS],
    "POST /v1/webhooks": [HOOKS],
    "GET /v1/webhooks/{}": [HOOKS],
    "PATCH /v1/webhooks/{}": [HOOKS],
    "DELETE /v1/webhooks/{}": [HOOKS],
    "POST /v1/webhooks/{}/rotate": [HOOKS],
    "POST /v1/webhooks/{}/test": [HOOKS],
    "GET /v1/webhooks/{}/deliveries": [HOOKS],
    "GET /v1/deliveries/{}": [HOOKS],
    "POST /v1/deliveries/{}/replay": [HOOKS],
    "GET /v1/imports": [WRITE, READ],
    **dict.fromkeys(
        (f"POST /v1/connectors/{name}" for name in ("zoom", "livekit", "jaas", "bigbluebutton", "generic")), OPEN
    ),
    **dict.fromkeys((f"POST {NEXTCLOUD}{path}" for path in ("{}/store", "backend")), OPEN),
    "GET /v1/audit": ADMIN,
    "GET /metrics": ADMIN,
    "GET /v1/engines": ADMIN,
    **{f"{method} /v1/keys": ADMIN for method in ("GET", "POST")},
    "DELETE /v1/keys/{}": ADMIN,
    **{f"{method} /v1/retention": ADMIN for method in ("GET", "PATCH")},
    "GET /v1/search": [READ],
    **{f"{method} /v1/transcripts/{{}}{view}": [READ] for view in VIEWS for method in ("GET", "HEAD")},
    "GET /v1/transcripts/{}/corrections": [READ],
    **{f"{method} /v1/transcripts/{{}}/clips.csv": [READ | {Scope.EMOTIONS_READ}] for method in ("GET", "HEAD")},
    **{f"{call} /v1/transcripts/{{}}/edits": EDIT for call in ("GET", "POST")},
    **{f"POST /v1/transcripts/{{}}/edits/{step}": EDIT for step in ("undo", "redo")},
    "PATCH /v1/transcripts/{}/speakers/{}": EDIT,
    "PATCH /v1/transcripts/{}/utterances/{}": EDIT,
    "POST /v1/transcripts/{}/video": EDIT,
    "GET /v1/jobs/{}/media": [READ],
    "HEAD /v1/jobs/{}/media": [READ],
    **{
        key: [READ]
        for key in ["GET /", *(f"GET /meetings/{{}}{page}" for page in ("", "/summary", "/ribbon", "/utterances/{}"))]
    },
    "GET /v1/transcripts/{}/notes": [READ],
    "POST /v1/transcripts/{}/notes": EDIT,
    "POST /meetings/{}/notes": EDIT,
    "GET /v1/transcripts/{}/links": EDIT,
    "POST /v1/transcripts/{}/links": EDIT,
    "DELETE /v1/transcripts/{}/links/{}": EDIT,
    # The token of a link stands for a key: tests/attacks/test_share_links.py.
    **dict.fromkeys(
        ["GET /shared/{}", "GET /shared/{}/summary", "GET /shared/{}/media", "HEAD /shared/{}/media"], OPEN
    ),
    **{f"{method} /shared/{{}}/transcript.{name}": OPEN for name in FORMATS for method in ("GET", "HEAD")},
    **{key: [READ] for key in ["POST /search", "POST /sign-out"]},
    **{f"GET /manage{path}": [HOOKS] for path in ("", "/webhooks", "/webhooks/{}")},
    **{f"GET /manage/{page}": ADMIN for page in ("keys", "retention", "audit", "engines")},
    **dict.fromkeys(["GET /sign-in", "POST /sign-in", *(f"GET {path}" for path in FILES)], OPEN),
    **{key: [WRITE] for key in ["POST /v2/upload", "POST /v2/transcript", "DELETE /v2/transcript/{}"]},
    **{key: [READ] for key in ["GET /v2/transcript", "GET /v2/transcript/{}"]},
    **{f"GET /v2/transcript/{{}}/{view}": [READ] for view in ASSEMBLYAI_VIEWS},
    **{key: [WRITE | READ] for key in ["POST /v1/audio/transcriptions", "POST /v1/listen"]},
    "POST /v1/audio/translations": [WRITE],
    **{key: [READ] for key in ["GET /v1/models", "GET /v1/models/{}"]},
    "POST /v0/batch/jobs": [WRITE],
    **{key: [WRITE | READ] for key in ["POST /endpoints/{}/invocations", "POST /invocations"]},
    **{f"POST /endpoints/{{}}/{kind}": [WRITE] for kind in ("async-invocations", "invocations-response-stream")},
    "GET /ping": OPEN,
    **{f"GET /v0/batch/jobs{path}": [READ] for path in ("", "/{}", "/{}/predictions", "/{}/artifacts")},
    **dict.fromkeys(["GET /livez", "GET /readyz", "GET /errors", "GET /v1/schema/transcript.json"], OPEN),
    **dict.fromkeys(["GET /openapi.json", "HEAD /openapi.json"], OPEN),
    **dict.fromkeys(["OPTIONS /v1/uploads", "OPTIONS /v1/uploads/{}"], OPEN),  # a preflight has no key
}
BODIES: dict[str, Any] = {
    "POST /v1/webhooks": {"url": "https://hook.example/"},
    "PATCH /v1/webhooks/{}": {"enabled": True},
    "POST /v1/keys": {"scopes": ["transcripts:read"]},
    "PATCH /v1/retention": {"media_hours": 1},
    "POST /v1/transcripts/{}/edits": {"operations": [{"op": "join", "utterance": 0}]},
    **{f"POST /v1/transcripts/{{}}/edits/{step}": {} for step in ("undo", "redo")},
    "PATCH /v1/transcripts/{}/speakers/{}": {"name": "Ana"},
    "POST /v1/transcripts/{}/links": {},
    "PATCH /v1/transcripts/{}/utterances/{}": {"text": "Hello."},
}


@pytest.fixture
def database(stores: Stores) -> Iterator[Database]:
    made = open_database(stores.database_url)
    SqlKeyStore(made).ensure_tenant("ours")
    yield made
    made.close()


@pytest.fixture
def web(database: Database, stores: Stores) -> TestClient:
    settings = GatewaySettings(requests_per_minute=100_000)
    deployment = Deployment(
        gateway=settings,
        storage=StorageSettings(**stores.settings),
        secrets=SecretSettings(keys=SecretStr(new_key())),
        connectors=ConnectorsSettings(
            zoom=ZoomSettings(secret_token=SECRET),
            livekit=LiveKitSettings(api_key="key", api_secret=SECRET),
            jaas=JaasSettings(secret=SECRET),
            bigbluebutton=BigBlueButtonSettings(secret=SECRET, url="https://bbb.example"),
            nextcloud=NextcloudSettings(secret=SECRET),
            generic=GenericSettings(secret=SecretStr(new_webhook_secret())),
        ),
    )
    services = [
        gateway_service(Context(deployment, database, MemoryQueue())),
        *results_services(
            database,
            stores.blobs(database),
            keyless=False,
            features=FeatureSettings(),
        ),
    ]
    return TestClient(create_application(services, settings, database))


def routes_of(routes: Sequence[Any]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route):
            yield from (f"{method} {re.sub(r'{[^}]*}', '{}', route.path)}" for method in route.methods or ())
        yield from routes_of(getattr(getattr(route, "original_router", None), "routes", ()))


def test_every_route_has_a_rule(web: TestClient) -> None:
    assert set(routes_of(web.app.routes)) == set(RULES)  # type: ignore[attr-defined]  # it is the application


def key_header(path: str, key: str) -> dict[str, str]:
    """Where the clients of a compatible API send the key."""
    if path.startswith("/v0"):
        return {"X-Hume-Api-Key": key}
    if path.startswith("/endpoints"):
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential={key}/20261126/eu-west-1/sagemaker/aws4_request"}
    if path.startswith("/invocations"):
        return {"X-Amzn-SageMaker-Custom-Attributes": key}
    return {"Authorization": key if path.startswith("/v2") else f"Bearer {key}"}


def test_each_key_may_do_what_the_rules_say(
    web: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_events, "MAX_SECONDS", 0)  # this client reads a stream to its end
    tried: dict[frozenset[Scope], str] = {}

    def key_with(scopes: frozenset[Scope]) -> str:
        if scopes not in tried:
            tried[scopes], key = make_key("ours", set(scopes), database.now)
            SqlKeyStore(database).add(key)
        return tried[scopes]

    for route, rule in RULES.items():
        method, _, path = route.partition(" ")
        for scopes in {frozenset({scope}) for scope in Scope} | {frozenset(needed) for needed in rule}:
            answer = web.request(
                method,
                path.replace("{}", ID, 1).replace("{}", "0"),
                headers={**HEADERS, **key_header(path, key_with(scopes))},
                json=BODIES.get(route),
            )
            admitted = Scope.ADMIN in scopes or any(needed <= scopes for needed in rule)
            refused = answer.status_code in (401, 403)  # a compatible API may answer 401 to a key without the scope
            assert rule == OPEN or refused is not admitted, (route, scopes, answer.status_code)
        if rule != OPEN:
            answer = web.request(method, path.replace("{}", ID), headers=HEADERS, follow_redirects=False)
            to_sign_in = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?next=")
            unknown = 403 if path.startswith(("/endpoints", "/invocations")) else 401  # as their vendor answers
            assert answer.status_code == unknown or to_sign_in, (route, answer.status_code)

"""What a caller may not learn: another key's secret and the names of internal hosts; and what may not be recorded."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from shared.domain.tenant import Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.web.security_headers import HEADERS
from tests.gateway.conftest import Open
from tests.gateway.serving import Gateway
from tests.results.conftest import ResultsHarness


def test_a_repeated_request_shows_a_secret_only_to_the_key_that_created_it(
    gateway: Gateway, client: httpx.Client
) -> None:
    text, key = make_key("ours", {Scope.WEBHOOKS_WRITE}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    request: dict[str, Any] = {"json": {"url": "http://127.0.0.1:9999/"}, "headers": {"Idempotency-Key": "same"}}
    created = client.post("/v1/webhooks", **request)
    assert created.status_code == 201 and client.post("/v1/webhooks", **request).json() == created.json()
    with httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {text}"}, timeout=20) as other:
        answer = other.post("/v1/webhooks", **request)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert created.json()["secret"] not in answer.text


def test_a_blocked_host_looks_like_one_that_does_not_exist(opened: Open) -> None:
    blocked, missing, own = "localhost", "no-such-host.invalid", "postgres"
    with opened(outbound={"plain_http": True, "own_hosts": (own,)}) as gateway, gateway.client() as client:
        for path, body in (
            ("/v1/webhooks", lambda url: {"url": url}),
            ("/v1/recordings", lambda url: {"url": url}),
            ("/v1/recordings", lambda url: {"url": "https://x.invalid/", "tracks": [{"url": url, "name": "Ana"}]}),
        ):
            answers = [client.post(path, json=body(f"http://{host}/")) for host in (blocked, missing, own)]
            assert {answer.status_code for answer in answers} == {422}
            assert len({answer.text for answer in answers}) == 1, path


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/nothing", "/v1/jobs/x", "/livez", "/errors", "/metrics"])
def test_every_response_has_the_security_headers(gateway: Gateway, path: str) -> None:
    for tenant in ("ours", None):
        with gateway.client(tenant) as client:
            for method in ("GET", "PUT"):
                headers = client.request(method, path).headers
                missing = [name for name in HEADERS if name not in headers]
                assert missing == [], (method, path, tenant)


def test_a_search_records_no_text_of_the_caller(results: ResultsHarness) -> None:
    made, web = results.done(), results.web()
    for job in ("ana sounded angry", made.job_id):
        assert web.get("/v1/search", params={"job": job}).status_code == 200
    entries = SqlAuditLog(results.database).list("ours").items
    assert {entry.subject for entry in entries} == {"", made.job_id}

"""API keys over HTTP: shown once, limited in scope and time, revoked at once."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from shared.domain.tenant import Scope
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from tests.gateway.serving import Gateway


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_is_created_listed_used_and_revoked(gateway: Gateway, client: httpx.Client) -> None:
    wanted = {"scopes": ["transcripts:read"], "name": "reader", "days": 30}
    made = client.post("/v1/keys", json=wanted)
    assert made.status_code == 201
    body = made.json()
    assert httpx.get(f"{gateway.url}/v1/jobs", headers=bearer(body["key"])).status_code == 200
    (listed,) = [one for one in client.get("/v1/keys").json()["items"] if one["id"] == body["id"]]
    assert listed == {name: value for name, value in body.items() if name != "key"} | {
        "last_used_at": listed["last_used_at"]
    }
    assert (listed["name"], listed["scopes"], listed["usable"]) == ("reader", ["transcripts:read"], True)
    assert listed["last_used_at"] is not None and listed["expires_at"] is not None
    assert client.delete(f"/v1/keys/{body['id']}").status_code == 204
    assert httpx.get(f"{gateway.url}/v1/jobs", headers=bearer(body["key"])).status_code == 401
    (revoked,) = [one for one in client.get("/v1/keys").json()["items"] if one["id"] == body["id"]]
    assert revoked["usable"] is False and revoked["revoked_at"] is not None
    audit = client.get("/v1/audit").text
    assert "key.created" in audit and "key.revoked" in audit and body["key"].split("_", 2)[2] not in audit


def test_no_key_creates_one_with_scopes_that_it_lacks(gateway: Gateway, client: httpx.Client) -> None:
    """Also not with all scopes but `admin`, and not by way of a key that it creates."""
    limited = client.post("/v1/keys", json={"scopes": [scope for scope in Scope if scope is not Scope.ADMIN]}).json()
    for scopes in (["admin"], ["transcripts:read"]):
        answer = httpx.post(f"{gateway.url}/v1/keys", headers=bearer(limited["key"]), json={"scopes": scopes})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert httpx.delete(f"{gateway.url}/v1/keys/{limited['id']}", headers=bearer(limited["key"])).status_code == 403


def test_a_key_that_expires_creates_none_that_outlives_it(gateway: Gateway) -> None:
    now = gateway.database.now
    text, key = make_key("ours", [Scope.ADMIN], now, expires_at=now + timedelta(days=10))
    SqlKeyStore(gateway.database).add(key)
    for days, status in ((None, 422), (11, 422), (9, 201)):
        body = {"scopes": ["admin"], "days": days}
        answer = httpx.post(f"{gateway.url}/v1/keys", headers=bearer(text), json=body)
        assert answer.status_code == status, (days, answer.text)


@pytest.mark.parametrize("wrong", [{"scopes": []}, {"scopes": ["root"]}, {"scopes": ["admin"], "days": 0}, {}])
def test_a_malformed_request_creates_nothing(client: httpx.Client, wrong: dict[str, object]) -> None:
    before = client.get("/v1/keys").json()
    assert client.post("/v1/keys", json=wrong).status_code == 422
    assert client.get("/v1/keys").json() == before


def test_keys_of_another_tenant_do_not_exist(gateway: Gateway, client: httpx.Client) -> None:
    (foreign,) = SqlKeyStore(gateway.database).list("theirs")
    assert client.delete(f"/v1/keys/{foreign.id}").status_code == 404
    assert foreign.id not in client.get("/v1/keys").text


def test_the_audit_log_is_filtered(client: httpx.Client) -> None:
    made = client.post("/v1/keys", json={"scopes": ["admin"]}).json()
    client.post("/v1/keys", json={"scopes": ["admin"]})
    entries = client.get("/v1/audit", params={"action": "key.created", "subject": made["id"]}).json()["items"]
    assert [entry["subject"] for entry in entries] == [made["id"]]
    at = entries[0]["at"]
    assert client.get("/v1/audit", params={"at_before": at, "action": "key.created"}).json()["items"] == []
    assert len(client.get("/v1/audit", params={"at_from": at}).json()["items"]) == 2
    assert client.get("/v1/audit", params={"key_id": "nobody"}).json()["items"] == []
    assert client.get("/v1/audit", params={"at_from": "2026-01-01T00:00:00"}).status_code == 422

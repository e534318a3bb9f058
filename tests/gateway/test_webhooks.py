"""Webhook endpoints over HTTP: secrets are returned once; deliveries are shown and can be replayed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.domain.webhook import Attempt, DeliveryOutcome, DeliveryStatus
from shared.infra.database.outbox import SqlOutbox
from tests.gateway.conftest import Open
from tests.gateway.serving import Gateway

URL = "http://127.0.0.1:9999/hook"


def make(client: httpx.Client, **requested: object) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": URL, **requested})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_an_endpoint_is_created_shown_changed_and_deleted(gateway: Gateway, client: httpx.Client) -> None:
    made = make(client, events=["transcript.ready"], description="ours")
    assert made["secret"].startswith("whsec_") and made["events"] == ["transcript.ready"]
    path = f"/v1/webhooks/{made['id']}"
    shown = client.get(path).json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert client.get("/v1/webhooks").json()["items"] == [shown]
    changed = client.patch(path, json={"enabled": False, "events": ["job.failed"]}).json()
    assert (changed["enabled"], changed["disabled_reason"], changed["events"]) == (False, "asked", ["job.failed"])
    assert client.patch(path, json={"enabled": True}).json()["enabled"] is True
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404
    actions = [item["action"] for item in client.get("/v1/audit").json()["items"]]
    assert actions == ["webhook.deleted", "webhook.changed", "webhook.changed", "webhook.created"]


def test_the_secret_is_stored_encrypted_and_the_old_one_signs_after_a_rotation(
    gateway: Gateway, client: httpx.Client
) -> None:
    made = make(client)
    rotated = client.post(f"/v1/webhooks/{made['id']}/rotate").json()
    assert rotated["secret"] != made["secret"]
    endpoint = gateway.context.endpoints.find("ours", made["id"])
    assert endpoint is not None
    now = gateway.context.clock()
    opened = [gateway.context.callbacks.cipher.decrypt(sealed, endpoint.id) for sealed in endpoint.signing_secrets(now)]
    assert opened == [rotated["secret"], made["secret"]]
    assert len(endpoint.signing_secrets(now + timedelta(hours=25))) == 1
    stored = b"".join(path.read_bytes() for path in gateway.folder.glob("undertone.db*"))
    assert made["secret"].encode() not in stored and rotated["secret"].encode() not in stored


def test_a_test_event_is_sent_logged_and_replayed(gateway: Gateway, client: httpx.Client) -> None:
    made = make(client)
    sent = client.post(f"/v1/webhooks/{made['id']}/test")
    assert (sent.status_code, sent.json()["event_type"], sent.json()["status"]) == (202, "webhook.test", "pending")
    path = f"/v1/deliveries/{sent.json()['id']}"
    assert client.post(f"{path}/replay").status_code == 409, "it is still pending"
    outbox, now = SqlOutbox(gateway.database), gateway.context.clock()
    (going,) = outbox.due(limit=5, lease=timedelta(minutes=1), slots=100)
    attempt = Attempt(
        delivery_id=going.delivery.id,
        endpoint_id=made["id"],
        series=1,
        number=1,
        at=now,
        seconds=0.1,
        response_status=500,
    )
    outbox.record(going, attempt, DeliveryOutcome(status=DeliveryStatus.FAILED))
    log = client.get(path).json()
    assert (log["status"], [(one["number"], one["response_status"]) for one in log["log"]]) == ("failed", [(1, 500)])
    again = client.post(f"{path}/replay").json()
    assert (again["id"], again["status"], again["series"]) == (sent.json()["id"], "pending", 2)
    page = client.get(f"/v1/webhooks/{made['id']}/deliveries").json()
    assert [item["id"] for item in page["items"]] == [again["id"]] and page["next_cursor"] is None


def test_a_repeated_request_creates_one_endpoint_and_returns_its_secret_again(
    gateway: Gateway, client: httpx.Client
) -> None:
    key = {"Idempotency-Key": "once"}
    requested = {"url": URL, "events": ["job.failed", "transcript.ready"]}
    first = client.post("/v1/webhooks", json=requested, headers=key)
    again = client.post("/v1/webhooks", json={**requested, "events": requested["events"][::-1]}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert client.post("/v1/webhooks", json={"url": URL + "2"}, headers=key).json()["code"] == "idempotency_key_reused"
    assert len(gateway.context.endpoints.list("ours")) == 1
    stored = b"".join(path.read_bytes() for path in gateway.folder.glob("undertone.db*"))
    assert first.json()["secret"].encode() not in stored


@pytest.mark.parametrize(
    ("requested", "code"),
    [
        ({"url": "https://10.0.0.1/"}, "address_blocked"),
        ({"url": "https://user:secret@a.example/"}, "address_blocked"),
        ({"url": "gopher://127.0.0.1/"}, "address_blocked"),
        ({"url": "http://127.0.0.1:6379/"}, "address_blocked"),
        ({"url": "https://no-such-host.invalid/"}, "address_blocked"),
        ({"url": URL, "events": []}, "invalid_request"),
        ({"url": URL, "events": ["secret"]}, "invalid_request"),
        ({"url": URL, "secret": "mine"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
def test_an_invalid_endpoint_is_rejected_without_repeating_its_values(
    gateway: Gateway, client: httpx.Client, requested: dict[str, object], code: str
) -> None:
    answer = client.post("/v1/webhooks", json=requested)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert "secret" not in answer.text and "10.0.0.1" not in answer.text
    assert gateway.context.endpoints.list("ours") == ()
    made = make(client)
    if "url" in requested and code == "address_blocked":
        assert client.patch(f"/v1/webhooks/{made['id']}", json=requested).status_code == 422


def test_keyless_mode_allows_callbacks_to_loopback_addresses(opened: Open) -> None:
    with opened(keyless=True, outbound={}) as gateway, gateway.client(None) as client:
        assert make(client)["url"] == URL
    with opened(outbound={}) as gateway, gateway.client() as client:
        assert client.post("/v1/webhooks", json={"url": URL}).status_code == 422


def test_a_template_replaces_the_body(gateway: Gateway, client: httpx.Client) -> None:
    template = {"text": "{type} {status}", "channel": "#meetings"}
    made = make(client, template=template)
    assert client.get(f"/v1/webhooks/{made['id']}").json()["template"] == template
    client.post(f"/v1/webhooks/{made['id']}/test")
    (going,) = SqlOutbox(gateway.database).due(limit=5, lease=timedelta(minutes=1), slots=100)
    assert json.loads(going.delivery.body) == {"text": "webhook.test ", "channel": "#meetings"}
    refused = client.post("/v1/webhooks", json={"url": URL, "template": {"text": "{words}"}})
    assert (refused.status_code, "words" in refused.json()["detail"]) == (422, True)

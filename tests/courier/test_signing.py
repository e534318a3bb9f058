"""Our signatures, verified by two independent libraries."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from standardwebhooks import Webhook, WebhookVerificationError

from services.courier.signing import signed_headers
from shared.infra.secret_encryption import new_webhook_secret


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)  # both libraries read the system clock


def verified(body: bytes, headers: dict[str, str], secret: str) -> bool:
    """The result of both libraries, which must agree."""
    try:
        Webhook(secret).verify(body, headers)
        one = True
    except WebhookVerificationError:
        one = False
    try:
        OpenAI(api_key="unused").webhooks.verify_signature(body, headers, secret=secret)
        other = True
    except InvalidWebhookSignatureError:
        other = False
    assert one is other
    return one


def test_the_documented_test_vector_matches() -> None:
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    headers = signed_headers("msg_1", at, b'{"type":"job.failed"}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1,aVdtS3skZ5Ea8bthEtnK3YW72PJN6iRwWHovv4cNRj4=",
        "content-type": "application/json",
    }


@pytest.mark.parametrize("body", [b"{}", '{"name":"Zoë ☃"}'.encode()])
def test_both_libraries_verify_our_signatures(body: bytes) -> None:
    secret = new_webhook_secret()
    headers = signed_headers("msg_1", now(), body, [secret])
    assert verified(body, headers, secret)
    assert not verified(body + b" ", headers, secret)
    assert not verified(body, {**headers, "webhook-id": "msg_2"}, secret)
    assert not verified(body, headers, new_webhook_secret())
    old = datetime.fromtimestamp(time.time() - 301, UTC)
    assert not verified(body, signed_headers("msg_1", old, body, [secret]), secret)


def test_either_secret_verifies_during_a_rotation() -> None:
    new, old = new_webhook_secret(), new_webhook_secret()
    headers = signed_headers("msg_1", now(), b"{}", [new, old])
    assert headers["webhook-signature"].count("v1,") == 2
    assert verified(b"{}", headers, new) and verified(b"{}", headers, old)


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in signed_headers("msg_1", now(), b"{}", [])


def test_secrets_are_random_and_need_no_padding() -> None:
    made = {new_webhook_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(secret) == len("whsec_") + 32 and "=" not in secret for secret in made)

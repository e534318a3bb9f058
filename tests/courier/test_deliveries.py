"""Deliveries from a job's end to a local HTTP server, with every outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.courier.deliver import Deliverer
from shared.domain.error import InvalidSetting
from shared.domain.job_record import JobFailure
from shared.domain.webhook import DeliveryOutcome, DeliveryStatus, PayloadFormat, rotate_secrets
from shared.infra.address_rule import OutboundSettings
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_key, new_webhook_secret
from tests.courier.courier_harness import DAY, CourierHarness, verify
from tests.local_server import Reply, serving
from tests.service_fakes import ONE_STAGE, held, new_job


def test_a_finished_job_is_delivered_signed_and_once(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving(Reply(204, body=b"")) as server:
        harness.hook(server.url + "/hook", secret)
        job_id = harness.publish()
        assert [outcome.status for outcome in harness.run_once()] == [DeliveryStatus.DELIVERED]
        assert harness.run_once() == []
    (request,) = server.asked
    assert (request.method, request.path, request.headers["content-type"]) == ("POST", "/hook", "application/json")
    event = verify(request, secret)
    assert (event["type"], event["data"]["job_id"]) == ("transcript.ready", job_id)
    assert event["data"]["metadata"] == {"meeting": "Zoë"}
    assert b"secret-name" not in request.body


def test_a_callback_of_a_compatible_api_has_its_body_and_its_header(harness: CourierHarness) -> None:
    header, secret = harness.sealer.encrypt("X-Proof: a: b", "hook"), new_webhook_secret()
    with serving() as server:
        harness.hook(server.url, secret, payload=PayloadFormat.ASSEMBLYAI, header=header)
        job_id = harness.publish()
        harness.run_once()
    (request,) = server.asked
    assert verify(request, secret) == {"transcript_id": job_id, "status": "completed"}
    assert request.headers["x-proof"] == "a: b"


def test_a_callback_is_put_where_its_client_asked_for_it(harness: CourierHarness) -> None:
    with serving() as server:
        hook = harness.hook(server.url, payload=PayloadFormat.DEEPGRAM_PUT)
        harness.deliveries.add(hook, b'{"results": {}}')
        harness.run_once()
    assert [(one.method, one.body) for one in server.asked] == [("PUT", b'{"results": {}}')]


def test_a_failed_job_is_delivered_with_its_code(harness: CourierHarness) -> None:
    with serving() as server:
        harness.hook(server.url)
        job = harness.jobs.add("ours", new_job(ONE_STAGE))
        harness.work.fail(held(harness.work, job.id, "publish"), JobFailure(code="no_audio", message="No audio."))
        harness.run_once()
    assert b'"type":"job.failed"' in server.asked[0].body and b'"code":"no_audio"' in server.asked[0].body


def test_a_failed_delivery_is_retried_with_the_same_id_and_body_and_a_new_timestamp(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving(Reply(500, body=b"oh"), Reply(302, {"location": "/x"}), Reply(200)) as server:
        hook = harness.hook(server.url, secret)
        harness.publish()
        harness.run_once()
        assert harness.run_once() == [], "not before its next attempt is due"
        harness.clock.move(timedelta(seconds=5))
        harness.run_once()
        harness.clock.move(timedelta(minutes=4))
        assert harness.run_once() == []
        harness.clock.move(timedelta(minutes=1))
        harness.run_once()
    first, second, third = server.asked
    assert first.body == second.body == third.body
    assert len({request.headers["webhook-id"] for request in server.asked}) == 1
    stamps = [int(request.headers["webhook-timestamp"]) for request in server.asked]
    assert (stamps[1] - stamps[0], stamps[2] - stamps[1]) == (5, 300)
    verify(second, secret)
    (delivery,) = harness.deliveries.list(hook.tenant).items
    log = harness.deliveries.attempts("ours", delivery.id)
    assert [(one.number, one.response_status, one.response_body) for one in log] == [
        (1, 500, "oh"),
        (2, 302, "ok"),
        (3, 200, "ok"),
    ]
    assert log[0].next_attempt_at == log[1].at
    assert delivery.status is DeliveryStatus.DELIVERED


def test_a_delivery_fails_after_ten_attempts_and_can_be_replayed(harness: CourierHarness) -> None:
    with serving(Reply(500)) as server:
        harness.hook(server.url)
        harness.publish()
        for _ in range(12):
            harness.run_once()
            harness.clock.move(DAY)
        (delivery,) = harness.deliveries.list("ours").items
        assert (delivery.status, delivery.attempts, len(server.asked)) == (DeliveryStatus.FAILED, 10, 10)
        server.replies[:] = [Reply(200)]
        harness.deliveries.replay("ours", delivery.id)
        harness.run_once()
    assert {request.headers["webhook-id"] for request in server.asked} == {delivery.id}
    found = harness.deliveries.find("ours", delivery.id)
    assert found is not None and (found.status, found.series) == (DeliveryStatus.DELIVERED, 2)


def test_status_410_disables_the_endpoint(harness: CourierHarness) -> None:
    with serving(Reply(410)) as server:
        hook = harness.hook(server.url)
        harness.publish()
        harness.run_once()
        harness.publish()
        assert harness.run_once() == []
    assert len(server.asked) == 1
    found = harness.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "gone"


def test_retry_after_delays_the_endpoints_other_deliveries(harness: CourierHarness) -> None:
    with serving(Reply(503, {"retry-after": "600"}), Reply(200)) as server:
        harness.hook(server.url)
        harness.publish()
        harness.run_once()
        harness.publish()
        harness.clock.move(timedelta(seconds=599))
        assert harness.run_once() == []
        harness.clock.move(timedelta(seconds=1))
        assert len(harness.run_once()) == 2
    assert len(server.asked) == 3


def test_a_blocked_address_is_logged_as_blocked_and_not_retried(harness: CourierHarness) -> None:
    harness.hook("https://169.254.169.254/latest/meta-data")
    harness.publish()
    assert harness.run_once() == [DeliveryOutcome(status=DeliveryStatus.BLOCKED)]
    harness.clock.move(DAY)
    assert harness.run_once() == []
    (delivery,) = harness.deliveries.list("ours").items
    (attempt,) = harness.deliveries.attempts("ours", delivery.id)
    assert (attempt.response_status, attempt.error, attempt.response_body) == (None, "blocked", "")


def test_an_unreachable_server_is_a_failed_attempt(harness: CourierHarness) -> None:
    with serving() as server:
        harness.hook(server.url)
    harness.publish()
    assert [outcome.status for outcome in harness.run_once()] == [DeliveryStatus.PENDING]
    (delivery,) = harness.deliveries.list("ours").items
    assert harness.deliveries.attempts("ours", delivery.id)[0].error == "connect"


def test_both_secrets_sign_during_a_rotation(harness: CourierHarness) -> None:
    old, new = new_webhook_secret(), new_webhook_secret()
    with serving() as server:
        hook = harness.hook(server.url, old)
        sealed = harness.sealer.encrypt(new, hook.id)
        harness.endpoints.set_secrets(
            "ours", hook.id, rotate_secrets(hook.secrets, sealed, harness.clock.now, harness.clock.now + DAY)
        )
        harness.deliveries.ping("ours", hook.id)
        harness.run_once()
        harness.clock.move(DAY)
        harness.deliveries.ping("ours", hook.id)
        harness.run_once()
    during, afterwards = server.asked
    assert verify(during, old)["type"] == verify(during, new)["type"] == "webhook.test"
    assert during.headers["webhook-signature"].count("v1,") == 2
    assert afterwards.headers["webhook-signature"].count("v1,") == 1


def test_secrets_are_stored_encrypted_and_a_missing_key_uses_no_attempt(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving() as server:
        hook = harness.hook(server.url, secret)
        assert secret not in str(hook.model_dump()) and "sealed" not in repr(hook.secrets)
        harness.publish()
        harness.deliverer = Deliverer(
            harness.outbox, Outbound(OutboundSettings(), loopback=True), SecretCipher([new_key()]), harness.clock
        )
        with pytest.raises(InvalidSetting, match="not in SECRETS__KEYS"):
            harness.run_once()
    assert server.asked == []
    (delivery,) = harness.deliveries.list("ours").items
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 0)

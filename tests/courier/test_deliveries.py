"""From a job's end to a real server on this machine, through every turn that a delivery can take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.courier.deliver import Deliverer
from shared.domain.error import InvalidSetting
from shared.domain.job_record import JobFailure
from shared.domain.webhook import DeliveryOutcome, DeliveryStatus, rotate_secrets
from shared.infra.address_rule import OutboundSettings
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_key, new_webhook_secret
from tests.courier.courier_harness import DAY, CourierHarness, verify
from tests.local_server import Reply, serving
from tests.service_fakes import ONE_STAGE, held, new_job


def test_a_finished_job_is_told_signed_and_once(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving(Reply(204, body=b"")) as server:
        harness.hook(server.url + "/hook", secret)
        job_id = harness.publish()
        assert [outcome.status for outcome in harness.go_round()] == [DeliveryStatus.DELIVERED]
        assert harness.go_round() == []
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/hook", "application/json")
    told = verify(asked, secret)
    assert (told["type"], told["data"]["job_id"]) == ("transcript.ready", job_id)
    assert told["data"]["metadata"] == {"meeting": "Zoë"}
    assert b"secret-name" not in asked.body


def test_a_failed_job_is_told_with_its_code(harness: CourierHarness) -> None:
    with serving() as server:
        harness.hook(server.url)
        job = harness.jobs.add("ours", new_job(ONE_STAGE))
        harness.work.fail(held(harness.work, job.id, "publish"), JobFailure(code="no_audio", message="No audio."))
        harness.go_round()
    assert b'"type":"job.failed"' in server.asked[0].body and b'"code":"no_audio"' in server.asked[0].body


def test_what_fails_comes_again_with_the_same_id_and_bytes_and_a_fresh_stamp(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving(Reply(500, body=b"oh"), Reply(302, {"location": "/x"}), Reply(200)) as server:
        hook = harness.hook(server.url, secret)
        harness.publish()
        harness.go_round()
        assert harness.go_round() == [], "not before its time"
        harness.clock.move(timedelta(seconds=5))
        harness.go_round()
        harness.clock.move(timedelta(minutes=4))
        assert harness.go_round() == []
        harness.clock.move(timedelta(minutes=1))
        harness.go_round()
    first, second, third = server.asked
    assert first.body == second.body == third.body
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 1
    stamps = [int(asked.headers["webhook-timestamp"]) for asked in server.asked]
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


def test_after_ten_attempts_it_is_given_up_and_can_be_replayed(harness: CourierHarness) -> None:
    with serving(Reply(500)) as server:
        harness.hook(server.url)
        harness.publish()
        for _ in range(12):
            harness.go_round()
            harness.clock.move(DAY)
        (delivery,) = harness.deliveries.list("ours").items
        assert (delivery.status, delivery.attempts, len(server.asked)) == (DeliveryStatus.FAILED, 10, 10)
        server.replies[:] = [Reply(200)]
        harness.deliveries.replay("ours", delivery.id)
        harness.go_round()
    assert {asked.headers["webhook-id"] for asked in server.asked} == {delivery.id}
    found = harness.deliveries.find("ours", delivery.id)
    assert found is not None and (found.status, found.series) == (DeliveryStatus.DELIVERED, 2)


def test_gone_disables_the_endpoint(harness: CourierHarness) -> None:
    with serving(Reply(410)) as server:
        hook = harness.hook(server.url)
        harness.publish()
        harness.go_round()
        harness.publish()
        assert harness.go_round() == []
    assert len(server.asked) == 1
    found = harness.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "gone"


def test_retry_after_slows_the_endpoints_other_deliveries(harness: CourierHarness) -> None:
    with serving(Reply(503, {"retry-after": "600"}), Reply(200)) as server:
        harness.hook(server.url)
        harness.publish()
        harness.go_round()
        harness.publish()
        harness.clock.move(timedelta(seconds=599))
        assert harness.go_round() == []
        harness.clock.move(timedelta(seconds=1))
        assert len(harness.go_round()) == 2
    assert len(server.asked) == 3


def test_a_blocked_address_is_logged_as_blocked_and_not_tried_again(harness: CourierHarness) -> None:
    harness.hook("https://169.254.169.254/latest/meta-data")
    harness.publish()
    assert harness.go_round() == [DeliveryOutcome(status=DeliveryStatus.BLOCKED)]
    harness.clock.move(DAY)
    assert harness.go_round() == []
    (delivery,) = harness.deliveries.list("ours").items
    (attempt,) = harness.deliveries.attempts("ours", delivery.id)
    assert (attempt.response_status, attempt.error, attempt.response_body) == (None, "blocked", "")


def test_a_server_that_is_away_is_a_failure_like_any_other(harness: CourierHarness) -> None:
    with serving() as server:
        harness.hook(server.url)
    harness.publish()
    assert [outcome.status for outcome in harness.go_round()] == [DeliveryStatus.PENDING]
    (delivery,) = harness.deliveries.list("ours").items
    assert harness.deliveries.attempts("ours", delivery.id)[0].error == "connect"


def test_a_rotation_signs_with_both_for_a_while(harness: CourierHarness) -> None:
    old, new = new_webhook_secret(), new_webhook_secret()
    with serving() as server:
        hook = harness.hook(server.url, old)
        sealed = harness.sealer.encrypt(new, hook.id)
        harness.endpoints.set_secrets(
            "ours", hook.id, rotate_secrets(hook.secrets, sealed, harness.clock.now, harness.clock.now + DAY)
        )
        harness.deliveries.ping("ours", hook.id)
        harness.go_round()
        harness.clock.move(DAY)
        harness.deliveries.ping("ours", hook.id)
        harness.go_round()
    during, afterwards = server.asked
    assert verify(during, old)["type"] == verify(during, new)["type"] == "webhook.test"
    assert during.headers["webhook-signature"].count("v1,") == 2
    assert afterwards.headers["webhook-signature"].count("v1,") == 1


def test_secrets_lie_encrypted_and_a_lost_key_costs_no_attempt(harness: CourierHarness) -> None:
    secret = new_webhook_secret()
    with serving() as server:
        hook = harness.hook(server.url, secret)
        assert secret not in str(hook.model_dump()) and "sealed" not in repr(hook.secrets)
        harness.publish()
        harness.deliverer = Deliverer(
            harness.outbox, Outbound(OutboundSettings(), loopback=True), SecretCipher([new_key()]), harness.clock
        )
        with pytest.raises(InvalidSetting, match="not in SECRETS__KEYS"):
            harness.go_round()
    assert server.asked == []
    (delivery,) = harness.deliveries.list("ours").items
    assert (delivery.status, delivery.attempts) == (DeliveryStatus.PENDING, 0)

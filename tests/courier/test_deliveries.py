"""From a job's end to a real server on this machine, through every turn that a delivery can take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.courier.deliver import Deliverer
from shared.domain.error import SettingUnusable
from shared.domain.job_record import JobFailure
from shared.domain.webhook import DeliveryState, Outcome, rotate
from shared.infra.address_rule import OutboundSettings
from shared.infra.outbound import Outbound
from shared.infra.sealing import Sealer, new_key, new_webhook_secret
from tests.courier.place import DAY, Place, verify
from tests.local_server import Reply, serving
from tests.service_twins import ONE_STAGE, held, new_job


def test_a_finished_job_is_told_signed_and_once(place: Place) -> None:
    secret = new_webhook_secret()
    with serving(Reply(204, body=b"")) as server:
        place.hook(server.url + "/hook", secret)
        job_id = place.publish()
        assert [outcome.state for outcome in place.go_round()] == [DeliveryState.DELIVERED]
        assert place.go_round() == []
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.headers["content-type"]) == ("POST", "/hook", "application/json")
    told = verify(asked, secret)
    assert (told["type"], told["data"]["job_id"]) == ("transcript.ready", job_id)
    assert told["data"]["metadata"] == {"meeting": "Zoë"}
    assert b"secret-name" not in asked.body


def test_a_failed_job_is_told_with_its_code(place: Place) -> None:
    with serving() as server:
        place.hook(server.url)
        job = place.jobs.add("ours", new_job(ONE_STAGE))
        place.work.fail(held(place.work, job.id, "publish"), JobFailure(code="no_audio", message="No audio."))
        place.go_round()
    assert b'"type":"job.failed"' in server.asked[0].body and b'"code":"no_audio"' in server.asked[0].body


def test_what_fails_comes_again_with_the_same_id_and_bytes_and_a_fresh_stamp(place: Place) -> None:
    secret = new_webhook_secret()
    with serving(Reply(500, body=b"oh"), Reply(302, {"location": "/x"}), Reply(200)) as server:
        hook = place.hook(server.url, secret)
        place.publish()
        place.go_round()
        assert place.go_round() == [], "not before its time"
        place.clock.move(timedelta(seconds=5))
        place.go_round()
        place.clock.move(timedelta(minutes=4))
        assert place.go_round() == []
        place.clock.move(timedelta(minutes=1))
        place.go_round()
    first, second, third = server.asked
    assert first.body == second.body == third.body
    assert len({asked.headers["webhook-id"] for asked in server.asked}) == 1
    stamps = [int(asked.headers["webhook-timestamp"]) for asked in server.asked]
    assert (stamps[1] - stamps[0], stamps[2] - stamps[1]) == (5, 300)
    verify(second, secret)
    (delivery,) = place.deliveries.list(hook.tenant).items
    log = place.deliveries.attempts("ours", delivery.id)
    assert [(one.number, one.status, one.answer) for one in log] == [(1, 500, "oh"), (2, 302, "ok"), (3, 200, "ok")]
    assert log[0].next_attempt_at == log[1].at
    assert delivery.state is DeliveryState.DELIVERED


def test_after_ten_attempts_it_is_given_up_and_can_be_replayed(place: Place) -> None:
    with serving(Reply(500)) as server:
        place.hook(server.url)
        place.publish()
        for _ in range(12):
            place.go_round()
            place.clock.move(DAY)
        (delivery,) = place.deliveries.list("ours").items
        assert (delivery.state, delivery.attempts, len(server.asked)) == (DeliveryState.FAILED, 10, 10)
        server.replies[:] = [Reply(200)]
        place.deliveries.replay("ours", delivery.id)
        place.go_round()
    assert {asked.headers["webhook-id"] for asked in server.asked} == {delivery.id}
    found = place.deliveries.find("ours", delivery.id)
    assert found is not None and (found.state, found.series) == (DeliveryState.DELIVERED, 2)


def test_gone_disables_the_endpoint(place: Place) -> None:
    with serving(Reply(410)) as server:
        hook = place.hook(server.url)
        place.publish()
        place.go_round()
        place.publish()
        assert place.go_round() == []
    assert len(server.asked) == 1
    found = place.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "gone"


def test_retry_after_slows_the_endpoints_other_deliveries(place: Place) -> None:
    with serving(Reply(503, {"retry-after": "600"}), Reply(200)) as server:
        place.hook(server.url)
        place.publish()
        place.go_round()
        place.publish()
        place.clock.move(timedelta(seconds=599))
        assert place.go_round() == []
        place.clock.move(timedelta(seconds=1))
        assert len(place.go_round()) == 2
    assert len(server.asked) == 3


def test_a_blocked_address_is_logged_as_blocked_and_not_tried_again(place: Place) -> None:
    place.hook("https://169.254.169.254/latest/meta-data")
    place.publish()
    assert place.go_round() == [Outcome(state=DeliveryState.BLOCKED)]
    place.clock.move(DAY)
    assert place.go_round() == []
    (delivery,) = place.deliveries.list("ours").items
    (attempt,) = place.deliveries.attempts("ours", delivery.id)
    assert (attempt.status, attempt.error, attempt.answer) == (None, "blocked", "")


def test_a_server_that_is_away_is_a_failure_like_any_other(place: Place) -> None:
    with serving() as server:
        place.hook(server.url)
    place.publish()
    assert [outcome.state for outcome in place.go_round()] == [DeliveryState.PENDING]
    (delivery,) = place.deliveries.list("ours").items
    assert place.deliveries.attempts("ours", delivery.id)[0].error == "connect"


def test_a_rotation_signs_with_both_for_a_while(place: Place) -> None:
    old, new = new_webhook_secret(), new_webhook_secret()
    with serving() as server:
        hook = place.hook(server.url, old)
        sealed = place.sealer.seal(new, hook.id)
        place.endpoints.set_secrets(
            "ours", hook.id, rotate(hook.secrets, sealed, place.clock.now, place.clock.now + DAY)
        )
        place.deliveries.ping("ours", hook.id)
        place.go_round()
        place.clock.move(DAY)
        place.deliveries.ping("ours", hook.id)
        place.go_round()
    during, afterwards = server.asked
    assert verify(during, old)["type"] == verify(during, new)["type"] == "webhook.test"
    assert during.headers["webhook-signature"].count("v1,") == 2
    assert afterwards.headers["webhook-signature"].count("v1,") == 1


def test_secrets_lie_encrypted_and_a_lost_key_costs_no_attempt(place: Place) -> None:
    secret = new_webhook_secret()
    with serving() as server:
        hook = place.hook(server.url, secret)
        assert secret not in str(hook.model_dump()) and "sealed" not in repr(hook.secrets)
        place.publish()
        place.deliverer = Deliverer(
            place.outbox, Outbound(OutboundSettings(), loopback=True), Sealer([new_key()]), place.clock
        )
        with pytest.raises(SettingUnusable, match="not here"):
            place.go_round()
    assert server.asked == []
    (delivery,) = place.deliveries.list("ours").items
    assert (delivery.state, delivery.attempts) == (DeliveryState.PENDING, 0)

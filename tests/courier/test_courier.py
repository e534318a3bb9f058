"""The courier at work: from a job's end to a real server on this machine, through every turn that it can take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy.exc import OperationalError
from standardwebhooks import Webhook

from services.courier.__main__ import main
from services.courier.deliver import Deliverer
from services.courier.house import House
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.domain.error import SettingUnusable, StateConflict
from shared.domain.idempotency import RequestKey
from shared.domain.job_blobs import artifacts_folder, job_folder, recording_key, transcript_key
from shared.domain.job_record import JobFailure
from shared.domain.retention import Kept, Retention
from shared.domain.tenant import AuditEntry
from shared.domain.webhook import DeliveryState, Outcome, SealedSecret, Topic, WebhookEndpoint, rotate
from shared.domain.work import PlannedStage, StageState
from shared.infra.address_rule import OutboundSettings
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import Database, open_database
from shared.infra.database.expiry import SqlExpiry
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.requests import SqlAnsweredRequests, SqlAuditTrail
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.outbound import Outbound
from shared.infra.sealing import Sealer, new_key, new_webhook_secret
from tests.local_server import Asked, LocalServer, Reply, serving
from tests.service_twins import MINUTE, ONE_STAGE, MovableClock, held, new_job

DAY = timedelta(days=1)


@dataclass
class Place:
    """Everything that a courier works with, on one SQLite file."""

    database: Database
    clock: MovableClock
    folder: Path
    sealer: Sealer = field(default_factory=lambda: Sealer([new_key()]))

    def __post_init__(self) -> None:
        self.outbox = SqlOutbox(self.database)
        self.endpoints = SqlEndpointStore(self.database)
        self.deliveries = SqlDeliveryStore(self.database)
        self.jobs = SqlJobStore(self.database)
        self.work = SqlWorkStore(self.database)
        self.blobs = FolderBlobs(self.folder / "blobs")
        outbound = Outbound(OutboundSettings(_env_file=None), loopback=True)
        self.deliverer = Deliverer(self.outbox, outbound, self.sealer, self.clock, chance=lambda: 0.5)
        self.house = House(
            work=SqlWorkQueue(self.database),
            outbox=self.outbox,
            trail=SqlAuditTrail(self.database),
            requests=SqlAnsweredRequests(self.database),
            blobs=self.blobs,
            clock=self.clock,
            lost_after=timedelta(hours=1),
            keep_log=30 * DAY,
            jobs=self.jobs,
            expiry=SqlExpiry(self.database),
            keep={Kept.MEDIA: DAY, Kept.ARTIFACTS: 7 * DAY, Kept.TRANSCRIPT: None},
        )

    def hook(self, url: str, secret: str | None = None) -> WebhookEndpoint:
        sealed = (SealedSecret(sealed=self.sealer.seal(secret, "hook")),) if secret else ()
        made = WebhookEndpoint(
            id="hook", tenant="ours", url=url, topics=frozenset(Topic), secrets=sealed, created_at=self.clock.now
        )
        self.endpoints.add(made)
        return made

    def publish(self) -> str:
        job = self.jobs.add("ours", new_job(ONE_STAGE, metadata={"meeting": "Zoë"}))
        self.work.publish(held(self.work, job.id, "publish"), seconds=1)
        return job.id

    def state(self, job_id: str) -> StageState:
        """Of its first stage."""
        found = self.jobs.find("ours", job_id)
        assert found is not None
        return found.stages[0].state

    def go_round(self) -> list[Outcome]:
        """One round of what the loop does for ever."""
        self.outbox.fan_out()
        return [self.deliverer.deliver(one) for one in self.outbox.due(limit=50, lease=MINUTE)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    # The libraries that verify read the machine's clock, so this one starts at the present.
    clock = MovableClock(datetime.fromtimestamp(time.time(), UTC))
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}", clock=clock)
    SqlKeyStore(database).ensure_tenant("ours")
    yield Place(database, clock, tmp_path)
    database.close()


def verify(asked: Asked, secret: str) -> Any:
    OpenAI(api_key="unused").webhooks.verify_signature(asked.body, dict(asked.headers), secret=secret)
    return Webhook(secret).verify(asked.body, dict(asked.headers))


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


def test_the_house_frees_and_erases(place: Place) -> None:
    stuck = place.jobs.add(
        "ours", new_job((PlannedStage(name="decode"), PlannedStage(name="publish", needs=("decode",))))
    )
    held(place.work, stuck.id, "decode")
    finished = place.publish()
    for key in ("media", "artifacts/decode/samples"):
        place.blobs.put("ours", f"jobs/{finished}/{key}", [b"x"])
    place.jobs.erase("ours", finished, by="k1", reason="asked")
    place.clock.move(2 * MINUTE)
    place.house.sweep()
    assert place.state(stuck.id) is StageState.PENDING
    assert list(place.blobs.keys("ours", f"jobs/{finished}")) == []
    stone = place.jobs.tombstone("ours", finished)
    assert stone is not None and stone.erased_at == place.clock.now


def test_the_house_disables_what_fails_for_days_and_forgets_old_logs(place: Place) -> None:
    with serving(Reply(500)) as server:
        hook = place.hook(server.url)
        for _ in range(7):
            place.publish()
            place.go_round()
            place.house.sweep()
            place.clock.move(DAY)
    found = place.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "no_success_for_5_days"
    trail, requests = SqlAuditTrail(place.database), SqlAnsweredRequests(place.database)
    trail.note(AuditEntry(tenant="ours", at=place.clock.now, key_id="k", action="job.created", subject="j"))
    request = RequestKey(tenant="ours", method="POST", path="/", key="k")
    requests.begin(request, "f")
    place.clock.move(31 * DAY)
    place.house.sweep()
    assert place.deliveries.list("ours").items == ()
    assert requests.begin(request, "f").new
    assert len(trail.list("ours").items) == 1
    place.clock.move(335 * DAY)
    place.house.sweep()
    assert trail.list("ours").items == ()


def left(place: Place, job_id: str) -> set[str]:
    return {key.rsplit("/", 1)[-1] for key in place.blobs.keys("ours", job_folder(job_id))}


def test_what_was_kept_for_its_time_goes_and_the_transcript_stays(place: Place) -> None:
    job_id = place.publish()
    for key in (recording_key(job_id), f"{artifacts_folder(job_id)}/sound", transcript_key(job_id)):
        place.blobs.put("ours", key, [b"x"])
    running = place.jobs.add("ours", new_job(ONE_STAGE))
    place.blobs.put("ours", recording_key(running.id), [b"x"])
    place.house.sweep()
    assert left(place, job_id) == {"recording", "sound", "transcript.json"}
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert left(place, job_id) == {"sound", "transcript.json"}
    place.clock.move(6 * DAY)
    place.house.sweep()
    place.house.sweep()
    assert left(place, job_id) == {"transcript.json"}
    assert left(place, running.id) == {"recording"}, "what has not ended keeps everything"
    assert place.house.expiry.due(Kept.MEDIA, timedelta(0)) == (), "what is gone is not asked for again"


def test_a_job_may_ask_for_less_but_not_for_more(place: Place) -> None:
    short = place.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=0, transcript_days=3)))
    long = place.jobs.add("ours", new_job(ONE_STAGE, retention=Retention(media_hours=24 * 30)))
    for job in (short, long):
        place.blobs.put("ours", recording_key(job.id), [b"x"])
        place.work.publish(held(place.work, job.id, "publish"), seconds=1)
    place.house.sweep()
    assert (left(place, short.id), left(place, long.id)) == (set(), {"recording"})
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert left(place, long.id) == set()
    place.clock.move(2 * DAY)
    place.house.sweep()
    assert place.jobs.find("ours", short.id) is None
    stone = place.jobs.tombstone("ours", short.id)
    assert stone is not None and (stone.erased_by, stone.erased_at is not None) == ("retention", True)
    assert place.jobs.find("ours", long.id) is not None


def test_a_job_whose_recording_is_gone_cannot_be_run_again(place: Place) -> None:
    job = place.jobs.add("ours", new_job(ONE_STAGE))
    place.jobs.cancel("ours", job.id)
    place.clock.move(2 * DAY)
    place.house.sweep()
    with pytest.raises(StateConflict, match="is gone"):
        place.jobs.retry("ours", job.id)


def test_a_chore_that_breaks_does_not_stop_the_others(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    class BrokenBlobs(FolderBlobs):
        def delete_prefix(self, tenant: str, prefix: str) -> int:
            raise OSError(tenant, prefix)

    stuck = place.jobs.add("ours", new_job(ONE_STAGE))
    held(place.work, stuck.id, "publish")
    erased = place.publish()
    place.jobs.erase("ours", erased, by="k1", reason="asked")
    place.clock.move(2 * MINUTE)
    house = House(
        **{name: getattr(place.house, name) for name in House.__slots__} | {"blobs": BrokenBlobs(place.folder)}
    )
    house.sweep()
    assert place.state(stuck.id) is StageState.PENDING
    stone = place.jobs.tombstone("ours", erased)
    assert stone is not None and stone.erased_at is None, "it is asked again"
    said = capsys.readouterr().out
    assert "courier.chore_failed" in said and "OSError" in said and "jobs/" not in said
    place.house.sweep()
    stone = place.jobs.tombstone("ours", erased)
    assert stone is not None and stone.erased_at is not None


def eventually(what: Any, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


class FlakyOutbox(SqlOutbox):
    """A database that is away for a moment."""

    broken = 2

    def fan_out(self, *, limit: int = 100) -> int:
        if self.broken:
            self.broken -= 1
            raise OperationalError("select", {}, Exception("away"))
        return super().fan_out(limit=limit)


def test_the_loop_survives_trouble_and_finishes_what_is_under_way(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    def slowly(handler: Any) -> None:
        time.sleep(0.3)
        handler.send_response(200)
        handler.send_header("content-length", "0")
        handler.end_headers()

    outbox = FlakyOutbox(place.database)
    courier = Courier(outbox, place.deliverer, place.house, CourierSettings(parallel=2, poll_seconds=0.02))
    stop = Event()
    with serving(Reply(raw=slowly)) as server:
        place.hook(server.url)
        place.endpoints.add(
            WebhookEndpoint(
                id="broken",
                tenant="ours",
                url=server.url,
                topics=frozenset(Topic),
                secrets=(SealedSecret(sealed="with another key"),),
                created_at=place.clock.now,
            )
        )
        place.publish()
        thread = Thread(target=courier.run, args=(stop,))
        thread.start()
        eventually(lambda: server.asked)
        stop.set()
        thread.join(60)
    states = {one.endpoint_id: one.state for one in place.deliveries.list("ours").items}
    assert states == {"hook": DeliveryState.DELIVERED, "broken": DeliveryState.PENDING}
    said = capsys.readouterr().out
    assert said.count("courier.outbox_failed") == 2
    assert "setting_unusable" in said and "127.0.0.1" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_delivers_until_it_is_told_to_stop(
    place: Place, server_for_program: LocalServer, number: int
) -> None:
    key, secret = new_key(), new_webhook_secret()
    place.sealer = Sealer([key])
    place.hook(server_for_program.url, secret)
    place.publish()
    place.clock.move(-DAY)  # the program has the machine's clock
    environment = {**os.environ, "STORAGE__FOLDER": str(place.folder), "SECRETS__KEYS": key}
    command = [sys.executable, "-m", "services.courier", "--loopback"]
    program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: server_for_program.asked)
        program.send_signal(number)
        said, _ = program.communicate(timeout=60)
    finally:
        program.kill()
        program.wait()
    assert program.returncode == 0, said
    assert verify(server_for_program.asked[0], secret)["type"] == "transcript.ready"
    assert secret.encode() not in said and b"127.0.0.1" not in said


@pytest.fixture
def server_for_program() -> Iterator[LocalServer]:
    with serving() as server:
        yield server


@pytest.fixture
def own_signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_in_this_process_it_does_the_same(
    place: Place, server_for_program: LocalServer, monkeypatch: pytest.MonkeyPatch, own_signals: None
) -> None:
    key = new_key()
    monkeypatch.setenv("STORAGE__FOLDER", str(place.folder))
    monkeypatch.setenv("SECRETS__KEYS", key)
    place.hook(server_for_program.url)
    place.publish()
    place.clock.move(-DAY)

    def stop_when_asked() -> None:
        eventually(lambda: server_for_program.asked)
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = Thread(target=stop_when_asked)
    watcher.start()
    assert main(["--loopback"]) == 0
    watcher.join()


def test_without_a_key_for_secrets_the_program_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_signals: None
) -> None:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    monkeypatch.setenv("SECRETS__KEYS", "")
    assert main([]) == 78
    said = capsys.readouterr().err
    assert "[setting_unusable]" in said and "SECRETS__KEYS" in said

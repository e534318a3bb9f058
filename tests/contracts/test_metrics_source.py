"""Contract tests of metrics sources: open work by queue, recently finished work, and webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.job_record import JobFailure, JobStatus
from shared.domain.metrics import RECENT_WINDOW, FinishedStages, QueueMetrics, ServiceMetrics
from shared.domain.stage_plan import CAPTION
from shared.domain.webhook import Attempt, DeliveryOutcome, DeliveryStatus, EventType, WebhookEndpoint
from shared.domain.work import StageStatus
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.metrics import SqlMetricsSource
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job


@pytest.fixture
def source(database: Database) -> SqlMetricsSource:
    return SqlMetricsSource(database)


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def work(database: Database) -> SqlWorkStore:
    return SqlWorkStore(database)


def test_metrics_of_an_empty_database_are_zero(source: SqlMetricsSource) -> None:
    assert source.read() == ServiceMetrics()


def test_open_work_is_counted_by_queue_with_its_oldest_age(
    database: Database, source: SqlMetricsSource, store: SqlJobStore, work: SqlWorkStore, clock: MovableClock
) -> None:
    first = store.add("ours", new_job())
    clock.move(MINUTE)
    store.add("theirs", new_job())
    cancelled = store.add("ours", new_job())
    store.cancel("ours", cancelled.id)
    clock.move(MINUTE)
    SqlWorkQueue(database).next_tickets("cpu", max_waiting=1)
    assert source.read().queues == {"cpu": QueueMetrics(waiting=1, sent=1, oldest_seconds=120)}
    claim = held(work, first.id, "decode")
    metrics = source.read()
    assert metrics.queues == {"cpu": QueueMetrics(waiting=1, oldest_seconds=60, running=1)}
    assert metrics.running_stages == {"decode": 1}
    assert metrics.jobs == {JobStatus.RUNNING: 1, JobStatus.QUEUED: 1, JobStatus.CANCELLED: 1}
    clock.move(MINUTE)
    assert source.read().queues["cpu"].expired_leases == 1
    claim = work.extend(claim, MINUTE)
    work.finish_stage(claim, seconds=3)
    clock.move(MINUTE)
    metrics = source.read()
    assert metrics.queues["gpu"] == QueueMetrics(waiting=1, oldest_seconds=60), (
        "the age counts from when its dependencies were done"
    )
    assert metrics.finished_stages == {("decode", StageStatus.DONE): FinishedStages(count=1, seconds=3, attempts=1)}
    assert metrics.running_stages == {}


def test_age_of_a_requeued_stage_counts_from_its_delay(
    source: SqlMetricsSource, store: SqlJobStore, work: SqlWorkStore, clock: MovableClock
) -> None:
    job = store.add("ours", new_job(ONE_STAGE))
    clock.move(30 * MINUTE)
    work.requeue(held(work, job.id, "publish"), delay=2 * MINUTE)
    assert source.read().queues["cpu"].oldest_seconds == 0
    clock.move(3 * MINUTE)
    assert source.read().queues["cpu"].oldest_seconds == 60


def test_recently_finished_jobs_give_processing_speed(
    source: SqlMetricsSource, store: SqlJobStore, work: SqlWorkStore, clock: MovableClock
) -> None:
    job = store.add("ours", new_job((*ONE_STAGE, CAPTION)))
    clock.move(MINUTE)
    work.publish(held(work, job.id, "publish"), seconds=6, recording_seconds=60)
    work.fail(held(work, job.id, CAPTION.name), JobFailure(code="no_video", message="There is no video."))
    unmeasured = store.add("ours", new_job(ONE_STAGE))
    work.publish(held(work, unmeasured.id, "publish"), seconds=100)
    metrics = source.read()
    assert (metrics.jobs_done, metrics.turnaround_seconds) == (2, 60)
    assert (metrics.work_seconds, metrics.recording_seconds) == (6, 60), "jobs without a length are not counted"
    assert metrics.finished_stages[CAPTION.name, StageStatus.FAILED] == FinishedStages(count=1, attempts=1)
    clock.move(RECENT_WINDOW)
    metrics = source.read()
    assert (metrics.jobs_done, metrics.work_seconds, metrics.finished_stages) == (0, 0, {})
    assert metrics.jobs == {JobStatus.DONE: 2}


def test_webhooks_are_counted_while_pending_and_by_outcome(
    database: Database, source: SqlMetricsSource, store: SqlJobStore, work: SqlWorkStore, clock: MovableClock
) -> None:
    event_types = frozenset({EventType.TRANSCRIPT_READY})
    SqlEndpointStore(database).add(
        WebhookEndpoint(
            id="e1", tenant="ours", url="https://their.example/", event_types=event_types, created_at=clock.now
        )
    )
    for _ in range(2):
        job = store.add("ours", new_job(ONE_STAGE))
        work.publish(held(work, job.id, "publish"), seconds=1)
    assert source.read().events_pending == 2
    outbox = SqlOutbox(database)
    outbox.fan_out()
    clock.move(timedelta(seconds=10))
    metrics = source.read()
    assert (metrics.events_pending, metrics.deliveries_pending, metrics.deliveries_due) == (0, 2, 2)
    assert metrics.oldest_due_seconds == 10
    sent, later = outbox.due(limit=5, lease=MINUTE)
    for outgoing, outcome in (
        (sent, DeliveryOutcome(status=DeliveryStatus.DELIVERED)),
        (later, DeliveryOutcome(status=DeliveryStatus.PENDING, next_attempt_at=clock.now + MINUTE)),
    ):
        tried = {"delivery_id": outgoing.delivery.id, "endpoint_id": "e1", "series": 1, "number": 1}
        outbox.record(outgoing, Attempt(**tried, at=clock.now, seconds=0.1), outcome)
    metrics = source.read()
    assert (metrics.deliveries_pending, metrics.deliveries_due, metrics.oldest_due_seconds) == (1, 0, 0)
    assert metrics.deliveries_finished == {DeliveryStatus.DELIVERED: 1}

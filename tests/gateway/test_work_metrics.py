"""Prometheus metrics of the work, rendered from scripted values."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from services.gateway.work_metrics import WorkMetricsCollector
from shared.domain.job_record import JobStatus
from shared.domain.metrics import FinishedStages, QueueMetrics, ServiceMetrics
from shared.domain.webhook import DeliveryStatus
from shared.domain.work import StageStatus

BUSY = ServiceMetrics(
    jobs={JobStatus.DONE: 7},
    queues={"cpu": QueueMetrics(waiting=5, sent=2, oldest_seconds=33, running=1, expired_leases=1)},
    running_stages={"decode": 1},
    finished_stages={("decode", StageStatus.FAILED): FinishedStages(count=2, seconds=3.5, attempts=6)},
    jobs_done=2,
    work_seconds=30,
    recording_seconds=300,
    turnaround_seconds=50,
    events_pending=1,
    deliveries_due=3,
    oldest_due_seconds=12,
    deliveries_pending=4,
    deliveries_finished={DeliveryStatus.BLOCKED: 1},
)


@dataclass
class ScriptedMetrics:
    metrics: ServiceMetrics | None
    reads: int = 0

    def read(self) -> ServiceMetrics:
        self.reads += 1
        if self.metrics is None:
            raise ConnectionError("secret words")
        return self.metrics


def page(source: ScriptedMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(WorkMetricsCollector(source.read))
    Gauge("undertone_other", "Not from the database", registry=registry)
    return generate_latest(registry).decode()


@pytest.mark.parametrize(
    "line",
    [
        "undertone_work_metrics_up 1.0",
        'undertone_queue_stages{queue="cpu",where="database"} 5.0',
        'undertone_queue_stages{queue="cpu",where="broker"} 2.0',
        'undertone_queue_stages{queue="cpu",where="worker"} 1.0',
        'undertone_queue_stages{queue="gpu",where="database"} 0.0',
        'undertone_queue_oldest_seconds{queue="cpu"} 33.0',
        'undertone_queue_expired_leases{queue="cpu"} 1.0',
        'undertone_stages_running{stage="decode"} 1.0',
        'undertone_recent_stages{stage="decode",status="failed"} 2.0',
        'undertone_recent_stage_seconds{stage="decode",status="failed"} 3.5',
        'undertone_recent_stage_attempts{stage="decode",status="failed"} 6.0',
        'undertone_jobs{status="done"} 7.0',
        'undertone_jobs{status="failed"} 0.0',
        "undertone_recent_jobs_done 2.0",
        "undertone_recent_recording_seconds 300.0",
        "undertone_recent_work_seconds 30.0",
        "undertone_recent_turnaround_seconds 50.0",
        "undertone_recent_real_time_factor 0.1",
        "undertone_webhook_events_pending 1.0",
        "undertone_webhook_deliveries_pending 4.0",
        "undertone_webhook_deliveries_due 3.0",
        "undertone_webhook_oldest_due_seconds 12.0",
        'undertone_recent_webhook_deliveries{outcome="blocked"} 1.0',
        'undertone_recent_webhook_deliveries{outcome="delivered"} 0.0',
    ],
)
def test_every_metric_has_its_line(line: str) -> None:
    assert line in page(ScriptedMetrics(BUSY)).splitlines()


def test_without_finished_jobs_there_is_no_real_time_factor() -> None:
    assert "real_time_factor" not in page(ScriptedMetrics(ServiceMetrics()))


def test_the_database_is_read_once_for_all_scrapes_and_not_before_the_first() -> None:
    source = ScriptedMetrics(BUSY)
    registry = CollectorRegistry()
    registry.register(WorkMetricsCollector(source.read))
    assert source.reads == 0
    assert generate_latest(registry) == generate_latest(registry)
    assert source.reads == 1


def test_an_unavailable_database_leaves_the_other_metrics(capfd: pytest.CaptureFixture[str]) -> None:
    rendered = page(ScriptedMetrics(None))
    assert "undertone_work_metrics_up 0.0" in rendered and "undertone_other 0.0" in rendered
    assert "undertone_jobs{" not in rendered
    assert "secret" not in "".join(capfd.readouterr())

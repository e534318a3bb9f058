"""Prometheus metrics of workers, dispatcher and courier, read from the database on each scrape."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.domain.job_record import JobStatus
from shared.domain.metrics import ServiceMetrics
from shared.domain.stage_plan import QUEUES
from shared.domain.webhook import DeliveryStatus

log = structlog.get_logger()

CACHE_SECONDS = 10.0  # one database read serves all scrapes within this time
FINISHED_STATUSES = tuple(state for state in DeliveryStatus if state is not DeliveryStatus.PENDING)


class WorkMetricsCollector(Collector):
    """All are gauges: retention and erasure delete rows, and a counter must never decrease."""

    def __init__(self, read: Callable[[], ServiceMetrics]) -> None:
        self._read_database = read
        self._lock = threading.Lock()
        self._metrics: ServiceMetrics | None = None
        self._expires = 0.0

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Describes nothing, so that registration does not read the database."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        metrics = self._read()
        yield _gauge("undertone_work_metrics_up", "1 if the database can be read, else 0", metrics is not None)
        if metrics is not None:
            yield from _queues(metrics)
            yield from _stages(metrics)
            yield from _jobs(metrics)
            yield from _webhooks(metrics)

    def _read(self) -> ServiceMetrics | None:
        with self._lock:
            if time.monotonic() >= self._expires:
                try:
                    self._metrics = self._read_database()
                # The metrics page has other metrics too, and is needed most during an outage.
                except Exception as error:  # noqa: BLE001
                    log.warning("gateway.metrics_unavailable", error=type(error).__name__)
                    self._metrics = None
                self._expires = time.monotonic() + CACHE_SECONDS
            return self._metrics


def _queues(metrics: ServiceMetrics) -> Iterator[GaugeMetricFamily]:
    depth = GaugeMetricFamily(
        "undertone_queue_stages",
        "Stages that wait in the database, wait in the broker, or run",
        labels=("queue", "where"),
    )
    oldest = GaugeMetricFamily(
        "undertone_queue_oldest_seconds", "Age of the oldest waiting stage that could be claimed", labels=("queue",)
    )
    lapsed = GaugeMetricFamily(
        "undertone_queue_expired_leases",
        "Running stages with an expired lease that is not swept yet",
        labels=("queue",),
    )
    for name in sorted({*QUEUES, *metrics.queues}):
        queue = metrics.queues.get(name)
        depth.add_metric((name, "database"), queue.waiting if queue else 0)
        depth.add_metric((name, "broker"), queue.sent if queue else 0)
        depth.add_metric((name, "worker"), queue.running if queue else 0)
        oldest.add_metric((name,), queue.oldest_seconds if queue else 0)
        lapsed.add_metric((name,), queue.expired_leases if queue else 0)
    yield from (depth, oldest, lapsed)


def _stages(metrics: ServiceMetrics) -> Iterator[GaugeMetricFamily]:
    yield _labelled_gauge("undertone_stages_running", "Running stages by name", "stage", metrics.running_stages)
    labels = ("stage", "status")
    count = GaugeMetricFamily("undertone_recent_stages", "Stages that ended in the last hour", labels=labels)
    seconds = GaugeMetricFamily(
        "undertone_recent_stage_seconds", "Total seconds of stages that ended in the last hour", labels=labels
    )
    attempts = GaugeMetricFamily(
        "undertone_recent_stage_attempts", "Total attempts of stages that ended in the last hour", labels=labels
    )
    for named, ended in sorted(metrics.finished_stages.items()):
        count.add_metric(named, ended.count)
        seconds.add_metric(named, ended.seconds)
        attempts.add_metric(named, ended.attempts)
    yield from (count, seconds, attempts)


def _jobs(metrics: ServiceMetrics) -> Iterator[GaugeMetricFamily]:
    yield _labelled_gauge(
        "undertone_jobs", "Jobs by status", "status", {status: metrics.jobs.get(status, 0) for status in JobStatus}
    )
    yield _gauge("undertone_recent_jobs_done", "Jobs completed in the last hour", metrics.jobs_done)
    for name, description, value in (
        ("recording", "Total duration of their recordings", metrics.recording_seconds),
        ("work", "Total seconds of their stages", metrics.work_seconds),
        ("turnaround", "Total seconds from submission to completion", metrics.turnaround_seconds),
    ):
        yield _gauge(f"undertone_recent_{name}_seconds", description, value)
    if metrics.recording_seconds:
        factor = metrics.work_seconds / metrics.recording_seconds
        yield _gauge("undertone_recent_real_time_factor", "Seconds of work for each second of recording", factor)


def _webhooks(metrics: ServiceMetrics) -> Iterator[GaugeMetricFamily]:
    yield _gauge("undertone_webhook_events_pending", "Job events without a delivery yet", metrics.events_pending)
    yield _gauge("undertone_webhook_deliveries_pending", "Deliveries that are not finished", metrics.deliveries_pending)
    yield _gauge(
        "undertone_webhook_deliveries_due", "Pending deliveries whose next attempt is due", metrics.deliveries_due
    )
    yield _gauge(
        "undertone_webhook_oldest_due_seconds",
        "Seconds since the oldest due attempt became due",
        metrics.oldest_due_seconds,
    )
    outcomes: dict[str, float] = {state: metrics.deliveries_finished.get(state, 0) for state in FINISHED_STATUSES}
    yield _labelled_gauge(
        "undertone_recent_webhook_deliveries", "Deliveries that ended in the last hour", "outcome", outcomes
    )


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, value=float(value))


def _labelled_gauge(name: str, description: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, description, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((str(key),), value)
    return family

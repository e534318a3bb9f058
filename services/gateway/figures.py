"""The figures of workers, dispatcher and courier for Prometheus: asked of the database when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.gateway.remembered import remembered
from shared.domain.figures import Figures
from shared.domain.job_record import JobStatus
from shared.domain.plan import QUEUES
from shared.domain.webhook import DeliveryState
from shared.ports.figures import FigureSource

log = structlog.get_logger()

SECONDS = 10.0  # for which an answer is remembered, however many scrape
ENDED = tuple(state for state in DeliveryState if state is not DeliveryState.PENDING)


class WorkFigures(Collector):
    """Gauges all of them: rows go with retention and erasure, and a counter must never fall."""

    def __init__(self, source: FigureSource, *, seconds: float = SECONDS) -> None:
        self._read: Callable[[], Figures | None] = remembered(lambda: _asked(source), seconds)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is asked of the database before somebody scrapes."""
        yield from ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = self._read()
        yield _one("undertone_figures_known", "1 while the database answers", figures is not None)
        if figures is not None:
            yield from _queues(figures)
            yield from _stages(figures)
            yield from _jobs(figures)
            yield from _webhooks(figures)


def _asked(source: FigureSource) -> Figures | None:
    try:
        return source.read()
    # The page has figures of its own, and is wanted most when something is away.
    except Exception as error:  # noqa: BLE001
        log.warning("gateway.figures_unknown", error=type(error).__name__)
        return None


def _queues(figures: Figures) -> Iterator[GaugeMetricFamily]:
    depth = GaugeMetricFamily(
        "undertone_queue_stages", "Stages that wait in the database, were sent, or run", labels=("queue", "where")
    )
    oldest = GaugeMetricFamily(
        "undertone_queue_oldest_seconds", "How long the first waiting stage could have been claimed", labels=("queue",)
    )
    lapsed = GaugeMetricFamily(
        "undertone_queue_lapsed_stages", "Running stages whose lease is over and was not swept", labels=("queue",)
    )
    for name in sorted({*QUEUES, *figures.queues}):
        queue = figures.queues.get(name)
        depth.add_metric((name, "database"), queue.waiting if queue else 0)
        depth.add_metric((name, "broker"), queue.sent if queue else 0)
        depth.add_metric((name, "worker"), queue.running if queue else 0)
        oldest.add_metric((name,), queue.oldest_seconds if queue else 0)
        lapsed.add_metric((name,), queue.lapsed if queue else 0)
    yield from (depth, oldest, lapsed)


def _stages(figures: Figures) -> Iterator[GaugeMetricFamily]:
    yield _by("undertone_stages_running", "Stages that run, by name", "stage", figures.running)
    labels = ("stage", "state")
    count = GaugeMetricFamily("undertone_lately_stages", "Stages that ended in the last hour", labels=labels)
    seconds = GaugeMetricFamily("undertone_lately_stage_seconds", "Seconds that they took, together", labels=labels)
    attempts = GaugeMetricFamily("undertone_lately_stage_attempts", "Attempts that they took, together", labels=labels)
    for named, ended in sorted(figures.ended.items()):
        count.add_metric(named, ended.count)
        seconds.add_metric(named, ended.seconds)
        attempts.add_metric(named, ended.attempts)
    yield from (count, seconds, attempts)


def _jobs(figures: Figures) -> Iterator[GaugeMetricFamily]:
    yield _by(
        "undertone_jobs", "Jobs by status", "status", {status: figures.jobs.get(status, 0) for status in JobStatus}
    )
    yield _one("undertone_lately_jobs_done", "Jobs that were done in the last hour", figures.jobs_done)
    for name, told, value in (
        ("recording", "Length of their recordings, together", figures.recording_seconds),
        ("work", "Seconds that their stages took, together", figures.work_seconds),
        ("turnaround", "Seconds from their arrival to their end, together", figures.turnaround_seconds),
    ):
        yield _one(f"undertone_lately_{name}_seconds", told, value)
    if figures.recording_seconds:
        factor = figures.work_seconds / figures.recording_seconds
        yield _one("undertone_lately_real_time_factor", "Seconds of work for each second of recording", factor)


def _webhooks(figures: Figures) -> Iterator[GaugeMetricFamily]:
    yield _one(
        "undertone_webhook_announcements", "Ends of jobs that no delivery was made of yet", figures.announcements
    )
    yield _one("undertone_webhook_pending", "Deliveries that are not at their end", figures.deliveries_pending)
    yield _one("undertone_webhook_due", "Those of them whose next attempt is due", figures.deliveries_due)
    yield _one(
        "undertone_webhook_oldest_due_seconds", "For how long the first has been due", figures.oldest_due_seconds
    )
    outcomes: dict[str, float] = {state: figures.deliveries_ended.get(state, 0) for state in ENDED}
    yield _by("undertone_lately_webhook_deliveries", "Deliveries that ended in the last hour", "outcome", outcomes)


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=float(value))


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=(label,))
    for key, value in sorted(values.items()):
        family.add_metric((str(key),), value)
    return family

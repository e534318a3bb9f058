"""Service metrics: counts and sums over all tenants, without any ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from shared.domain.job_record import JobStatus
from shared.domain.value import Value
from shared.domain.webhook import DeliveryStatus
from shared.domain.work import StageStatus

RECENT_WINDOW = timedelta(hours=1)


class QueueMetrics(Value):
    """Stages of one queue that may be claimed, and stages that are claimed."""

    waiting: int = 0  # in the database
    sent: int = 0  # sent to the broker, not claimed yet
    oldest_seconds: float = 0.0  # how long the oldest of both has been claimable
    running: int = 0
    expired_leases: int = 0  # marked as running, but the lease has expired


class FinishedStages(Value):
    """Stages of one name that finished recently."""

    count: int
    seconds: float = 0.0  # total of the last attempts
    attempts: int = 0


class ServiceMetrics(Value):
    jobs: Mapping[JobStatus, int] = {}
    queues: Mapping[str, QueueMetrics] = {}
    running_stages: Mapping[str, int] = {}  # stage -> how many
    finished_stages: Mapping[tuple[str, StageStatus], FinishedStages] = {}
    # Totals of the recently finished jobs: stage work time, recording duration, and time from submission to end.
    jobs_done: int = 0
    work_seconds: float = 0.0
    recording_seconds: float = 0.0
    turnaround_seconds: float = 0.0
    events_pending: int = 0  # not turned into deliveries yet
    deliveries_due: int = 0
    oldest_due_seconds: float = 0.0
    deliveries_pending: int = 0
    deliveries_finished: Mapping[DeliveryStatus, int] = {}

"""How the service as a whole is doing: counts and sums over all tenants, without an id of anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from shared.domain.job_record import JobStatus
from shared.domain.value import Value
from shared.domain.webhook import DeliveryStatus
from shared.domain.work import StageStatus

RECENT_WINDOW = timedelta(hours=1)


class QueueMetrics(Value):
    """Stages of one queue that may be claimed, and those that are."""

    waiting: int = 0  # in the database
    sent: int = 0  # to the broker, and not claimed yet
    oldest_seconds: float = 0.0  # for how long the first of both could have been claimed
    running: int = 0
    expired_leases: int = 0  # running, says the row, but the lease is over


class FinishedStages(Value):
    """Stages of one name that ended lately."""

    count: int
    seconds: float = 0.0  # of the last attempts, together
    attempts: int = 0


class ServiceMetrics(Value):
    jobs: Mapping[JobStatus, int] = {}
    queues: Mapping[str, QueueMetrics] = {}
    running_stages: Mapping[str, int] = {}  # stage -> how many
    finished_stages: Mapping[tuple[str, StageStatus], FinishedStages] = {}
    # Of the jobs that were done lately: their stages' work, their recordings' length, and their way from door to door.
    jobs_done: int = 0
    work_seconds: float = 0.0
    recording_seconds: float = 0.0
    turnaround_seconds: float = 0.0
    events_pending: int = 0  # that have not become deliveries yet
    deliveries_due: int = 0
    oldest_due_seconds: float = 0.0
    deliveries_pending: int = 0
    deliveries_finished: Mapping[DeliveryStatus, int] = {}

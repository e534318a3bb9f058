"""How the service as a whole is doing: counts and sums over all tenants, without an id of anything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from shared.domain.job_record import JobStatus
from shared.domain.value import Value
from shared.domain.webhook import DeliveryState
from shared.domain.work import StageState

LATELY = timedelta(hours=1)


class QueueFigures(Value):
    """Stages of one queue that may be claimed, and those that are."""

    waiting: int = 0  # in the database
    sent: int = 0  # to the broker, and not claimed yet
    oldest_seconds: float = 0.0  # for how long the first of both could have been claimed
    running: int = 0
    lapsed: int = 0  # running, says the row, but the lease is over


class Ended(Value):
    """Stages of one name that ended lately."""

    count: int
    seconds: float = 0.0  # of the last attempts, together
    attempts: int = 0


class Figures(Value):
    jobs: Mapping[JobStatus, int] = {}
    queues: Mapping[str, QueueFigures] = {}
    running: Mapping[str, int] = {}  # stage -> how many
    ended: Mapping[tuple[str, StageState], Ended] = {}
    # Of the jobs that were done lately: their stages' work, their recordings' length, and their way from door to door.
    jobs_done: int = 0
    work_seconds: float = 0.0
    recording_seconds: float = 0.0
    turnaround_seconds: float = 0.0
    announcements: int = 0  # that have not become deliveries yet
    deliveries_due: int = 0
    oldest_due_seconds: float = 0.0
    deliveries_pending: int = 0
    deliveries_ended: Mapping[DeliveryState, int] = {}

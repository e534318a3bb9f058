"""Stores claims and leases of stages in the database, and finishes jobs with their outbox events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Update, exists, select, update

from shared.domain.error import LeaseLost, Poisoned, StateConflict
from shared.domain.job_record import JobFailure, JobRecord, JobStatus, stage_may_run
from shared.domain.stage_plan import STAGES_AFTER_JOB
from shared.domain.work import MAX_ATTEMPTS, Claim, Refusal, StageStatus, Ticket
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import (
    FREE,
    end_job,
    fail_stage,
    load_job,
    lock_job,
    ready,
    ready_now,
    set_stage,
    stages_of,
    worked_on,
)
from shared.infra.database.schema import jobs, stages


class SqlWorkStore:
    """Claims and finishes stages. Each change locks the job's row, so that stages that end together see each other."""

    def __init__(self, database: Database, *, public_url: str = "") -> None:
        self._database = database
        self._public_url = public_url

    def claim(self, job_id: str, stage: str, worker: str, lease: timedelta) -> Claim | Refusal:
        """Claim the stage if it is free or its lease has expired; the attempt is counted before any work."""
        with self._database.writing() as connection:
            now = self._database.now
            job = lock_job(connection, job_id)
            row = _stage(connection, job_id, stage)
            if job is None or row is None:
                return Refusal.UNKNOWN
            refusal = _refusal(job, row, now)
            if refusal is Refusal.POISONED:
                fail_stage(connection, job_id, now, self._public_url, poisoned(stage))
            if refusal is not None:
                return refusal
            attempt = row["attempts"] + 1
            updated = connection.execute(
                update(stages)
                .where(stages.c.job_id == job_id, stages.c.name == stage)
                .where(stages.c.status == row["status"], stages.c.attempts == row["attempts"])
                .values(
                    status=StageStatus.RUNNING,
                    attempts=attempt,
                    worker=worker,
                    lease_until=now + lease,
                    progress=0.0,
                    started_at=now,
                )
            )
            if updated.rowcount != 1:
                return Refusal.HELD
            if job["status"] == JobStatus.QUEUED:
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id == job_id)
                    .values(status=JobStatus.RUNNING, started_at=job["started_at"] or now)
                )
            return Claim(
                tenant=job["tenant"],
                job_id=job_id,
                stage=stage,
                worker=worker,
                attempt=attempt,
                lease_until=now + lease,
            )

    def job(self, claim: Claim) -> JobRecord:
        """The job of the claim. This and all methods below raise LeaseLost if the claim is no longer valid."""
        with self._database.reading() as connection:
            claimed = connection.execute(select(stages.c.name).where(*_claim_is_valid(claim))).first()
            if claimed is None:
                raise _lost(claim)
            return load_job(connection, claim.job_id)

    def extend(self, claim: Claim, lease: timedelta, *, progress: float | None = None) -> Claim:
        now = self._database.now
        changes: dict[str, Any] = {"lease_until": now + lease}
        if progress is not None:
            changes["progress"] = progress
        with self._database.writing() as connection:
            _update_claimed(connection, update(stages).where(*_claim_is_valid(claim)).values(**changes), claim)
        return claim.model_copy(update={"lease_until": now + lease})

    def finish_stage(self, claim: Claim, *, seconds: float) -> tuple[Ticket, ...]:
        """Mark the stage as done; stages whose needs are now met become pending and are returned."""
        with self._database.writing() as connection:
            self._finish(connection, claim, seconds)
            return _ready_dependents(connection, claim.job_id, self._database.now)

    def publish(self, claim: Claim, *, seconds: float, recording_seconds: float | None = None) -> JobRecord:
        """Mark the job as done and add its event to the outbox, in one transaction; stages after the job may run."""
        with self._database.writing() as connection:
            self._finish(connection, claim, seconds)
            rows = stages_of(connection, [claim.job_id])[claim.job_id]
            missing = [
                row.name for row in rows if row.status is not StageStatus.DONE and row.name not in STAGES_AFTER_JOB
            ]
            if missing:
                raise StateConflict(f"The job cannot be published before {', '.join(missing)}.")
            now = self._database.now
            _ready_dependents(connection, claim.job_id, now)
            if recording_seconds is not None:
                change = update(jobs).where(jobs.c.id == claim.job_id)
                connection.execute(change.values(recording_seconds=recording_seconds))
            return end_job(connection, claim.job_id, now, self._public_url)

    def requeue(self, claim: Claim, *, delay: timedelta, counted: bool = True) -> None:
        """Schedule another attempt; not counted if the cause is neither recording nor worker, such as a full disk."""
        with self._database.writing() as connection:
            lock_job(connection, claim.job_id)
            then = self._database.now + delay
            changes = {**FREE, **ready(then), "not_before": then}
            changes["attempts"] = claim.attempt if counted else claim.attempt - 1
            _update_claimed(connection, update(stages).where(*_claim_is_valid(claim)).values(**changes), claim)

    def rerun_needed(self, claim: Claim, need: str) -> bool:
        """Run a needed stage again because its output is lost; the claimed stage waits, and no attempt is counted.

        Returns False and changes nothing if the needed stage has no attempt left.
        """
        with self._database.writing() as connection:
            lock_job(connection, claim.job_id)
            row = _stage(connection, claim.job_id, need)
            if row is None or (row["status"] == StageStatus.DONE and row["attempts"] >= MAX_ATTEMPTS):
                return False
            # The extra attempt counts towards the normal limit of the stage, without a separate counter.
            waits = {**FREE, "status": StageStatus.WAITING, "attempts": claim.attempt - 1}
            _update_claimed(connection, update(stages).where(*_claim_is_valid(claim)).values(**waits), claim)
            if row["status"] == StageStatus.DONE:  # otherwise another stage has already requested the rerun
                again = {**FREE, **ready(self._database.now), "not_before": None, "finished_at": None, "seconds": None}
                set_stage(connection, claim.job_id, need, again)
            return True

    def fail(self, claim: Claim, failure: JobFailure) -> JobRecord:
        """Mark the job as failed and add its event to the outbox; of the stages after the job, only the stage fails."""
        with self._database.writing() as connection:
            lock_job(connection, claim.job_id)
            now = self._database.now
            _update_claimed(connection, update(stages).where(*_claim_is_valid(claim)).values(finished_at=now), claim)
            stage_failure = failure.model_copy(update={"stage": claim.stage})
            return fail_stage(connection, claim.job_id, now, self._public_url, stage_failure)

    def _finish(self, connection: Connection, claim: Claim, seconds: float) -> None:
        lock_job(connection, claim.job_id)
        done = {**FREE, "status": StageStatus.DONE, "progress": 1.0, "seconds": seconds}
        done |= {"worker": claim.worker, "finished_at": self._database.now}
        _update_claimed(connection, update(stages).where(*_claim_is_valid(claim)).values(**done), claim)


def poisoned(stage: str) -> JobFailure:
    message = f"The stage {stage} ended its worker {MAX_ATTEMPTS} times and is not tried again."
    return JobFailure(code=Poisoned.code, message=message, stage=stage)


def _stage(connection: Connection, job_id: str, stage: str) -> RowMapping | None:
    query = select(stages).where(stages.c.job_id == job_id, stages.c.name == stage)
    return connection.execute(query).mappings().one_or_none()


def _ready_dependents(connection: Connection, job_id: str, now: datetime) -> tuple[Ticket, ...]:
    """Makes the stages ready whose last dependency is now done, and returns their tickets."""
    freed = ready_now(stages_of(connection, [job_id])[job_id])
    for stage in freed:
        set_stage(connection, job_id, stage.name, ready(now))
    return tuple(Ticket(job_id=job_id, stage=stage.name, queue=stage.queue) for stage in freed)


def _refusal(job: RowMapping, row: RowMapping, now: datetime) -> Refusal | None:
    if not stage_may_run(JobStatus(job["status"]), row["name"]):
        return Refusal.JOB_ENDED
    match StageStatus(row["status"]):
        case StageStatus.DONE:
            return Refusal.DONE
        case StageStatus.WAITING | StageStatus.FAILED:
            return Refusal.NOT_READY
        case StageStatus.RUNNING if row["lease_until"] > now:
            return Refusal.HELD
        case StageStatus.PENDING if row["not_before"] is not None and row["not_before"] > now:
            return Refusal.NOT_READY
    return Refusal.POISONED if row["attempts"] >= MAX_ATTEMPTS else None


def _claim_is_valid(claim: Claim) -> tuple[Any, ...]:
    """True for the stage's row while the claim is valid: not taken over, and the job still running."""
    runs = exists().where(jobs.c.id == stages.c.job_id, worked_on(JobStatus.RUNNING))
    return (
        stages.c.job_id == claim.job_id,
        stages.c.name == claim.stage,
        stages.c.status == StageStatus.RUNNING,
        stages.c.worker == claim.worker,
        stages.c.attempts == claim.attempt,
        runs,
    )


def _update_claimed(connection: Connection, change: Update, claim: Claim) -> None:
    if connection.execute(change).rowcount != 1:
        raise _lost(claim)


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"The lease on {claim.stage} of job {claim.job_id} is lost; nothing was written.")

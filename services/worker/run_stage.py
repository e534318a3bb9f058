"""Runs one stage of a job from claim to result: at least once, safe to kill at any point, without partial results."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from services.worker.caption import make_captioned_video
from services.worker.engine_cache import EngineCache
from services.worker.lease_keeper import CancelReason, LeaseKeeper, StageCancelled
from services.worker.scratch import Scratch
from services.worker.settings import WorkerSettings
from services.worker.stage_factory import stage_builders
from services.worker.stage_files import StageFiles
from services.worker.stage_timeout import max_attempt_seconds
from shared.domain.error import (
    DatabaseUnavailable,
    LeaseLost,
    StorageFull,
    StorageUnavailable,
    StoredDataMissing,
    TimedOut,
    UndertoneError,
)
from shared.domain.job_blobs import job_folder, transcript_key
from shared.domain.job_record import JobFailure, JobRecord
from shared.domain.stage_event import StageEvent, StageProgressed, StageWarned
from shared.domain.stage_plan import CAPTION, PUBLISH, stage_specs
from shared.domain.transcript import Transcript
from shared.domain.work import MAX_ATTEMPTS, Claim, Refusal
from shared.engines.catalog import Setup
from shared.infra.artifacts_blobs import blocks_of
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.telemetry import NULL_TRACER, Tracer, TraceSpan, TraceSpanKind
from shared.pipeline.annotate import ensure, read_record
from shared.pipeline.stage import fingerprint
from shared.ports.blobs import BlobStore

log = structlog.get_logger()

RETRY_DELAY = timedelta(seconds=10)  # multiplied by the number of attempts
STORAGE_RETRY_DELAY = timedelta(seconds=20)  # also after a full disk
NO_DELAY = timedelta(0)
OUTAGE_SECONDS = 600.0  # a worker waits this long for the database to record how a stage ended
PAUSE_SECONDS = 0.5


class StageOutcome(StrEnum):
    """How a delivery of a message ended; the message is acknowledged in every case."""

    DONE = "done"
    REFUSED = "refused"
    STOPPED = "stopped"
    REQUEUED = "requeued"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class StageRunner:
    """The resources that one process needs to run stages; created after the fork, which connections do not survive."""

    worker: str
    work: SqlWorkStore
    jobs: SqlJobStore
    blobs: BlobStore
    engines: EngineCache
    setup: Setup
    scratch: Scratch
    settings: WorkerSettings
    max_seconds: float
    send_pending: Callable[[], object]  # sends stages that may run now, round-robin by tenant
    index_transcript: Callable[[str, Transcript], object] | None = None  # called just before a job ends
    tracer: Tracer = NULL_TRACER
    close: Callable[[], object] = lambda: None

    def run(self, job_id: str, stage: str) -> StageOutcome:
        claim = self.work.claim(job_id, stage, self.worker, self._lease)
        if isinstance(claim, Refusal):
            log.info("worker.claim_refused", job=job_id, stage=stage, reason=claim)
            return StageOutcome.REFUSED
        log.info("worker.stage_claimed", job=job_id, stage=stage, attempt=claim.attempt)
        began = time.time_ns()
        lease = LeaseKeeper(self.work, claim, lease=self._lease, poll_seconds=self.settings.poll_seconds)
        with lease.heartbeat():
            outcome = self._run_attempt(lease)
        log.info("worker.stage_ended", job=job_id, stage=stage, attempt=claim.attempt, outcome=outcome)
        self.tracer.record(_trace_span(claim, outcome, began))
        self._send_pending()
        return outcome

    def _send_pending(self) -> None:
        try:
            self.send_pending()
        except Exception as error:  # noqa: BLE001 - Redis is unavailable: the stage succeeded, and the dispatcher sends later
            log.warning("worker.queue_unreachable", error=type(error).__name__)

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_seconds)

    def _run_attempt(self, lease: LeaseKeeper) -> StageOutcome:
        parts: list[str] = []
        try:
            try:
                with self.engines.in_use(), self.scratch.folder() as workdir:
                    self._run_stage(lease, self.work.job(lease.claim), workdir, parts)
            except LeaseLost:
                raise
            except (Exception, StageCancelled) as error:  # noqa: BLE001 - after any error the stage is requeued or ends
                return self._handle_error(lease.claim, error, parts)
        except LeaseLost:
            return self._discard(lease.claim)
        return StageOutcome.DONE

    def _handle_error(self, claim: Claim, error: BaseException, parts: list[str]) -> StageOutcome:
        match error:
            case StageCancelled():
                outcome = self._handle_cancelled(claim, error.reason, parts)
            case SoftTimeLimitExceeded():
                outcome = self._handle_cancelled(claim, CancelReason.TIMED_OUT, parts)
            case StorageFull() | OSError(errno=errno.ENOSPC | errno.EDQUOT):
                outcome = self._requeue(claim, STORAGE_RETRY_DELAY, StorageFull.code, counted=False)
            case DatabaseUnavailable():
                outcome = self._requeue(claim, NO_DELAY, error.code, counted=False)
            case StorageUnavailable():
                outcome = self._requeue(claim, STORAGE_RETRY_DELAY, error.code, counted=False)
            case StoredDataMissing(stage=str(need)) if self.work.rerun_needed(claim, need):
                log.warning("worker.output_missing", job=claim.job_id, stage=claim.stage, missing=need)
                outcome = StageOutcome.REQUEUED
            case UndertoneError():
                outcome = self._retry_or_fail(claim, error.code, error.message, retryable=error.retryable)
            case _:
                # The exception's text may quote the recording: its type and location suffice for debugging.
                names = {"error": type(error).__name__, "location": _error_location(error)}
                log.error("worker.stage_failed", job=claim.job_id, stage=claim.stage, **names)
                outcome = self._retry_or_fail(
                    claim, UndertoneError.code, f"The stage {claim.stage} failed.", retryable=True
                )
        return outcome

    def _run_stage(self, lease: LeaseKeeper, record: JobRecord, workdir: Path, parts: list[str]) -> None:
        claim, job = lease.claim, record.job
        files = StageFiles.open(self.blobs, claim.tenant, job, workdir, lease.check)
        if claim.stage == CAPTION.name:
            self._caption(lease, files)
            return
        with lease.stoppable():
            uploads = files.files(stage_specs(job)[claim.stage].opens)
            stage = stage_builders(job, uploads, self.setup, self.engines.load)[claim.stage]()
            fingerprints, inputs = files.inputs(stage)
            lease.limit(max_attempt_seconds(stage.spec, files.duration(inputs), max_seconds=self.max_seconds))
            key = fingerprint(stage, fingerprints)
            try:
                output = ensure(stage, f"{claim.stage}/{key}", inputs, files.store, partial(_report, lease))
            finally:
                parts += [made for made in files.store.made if ".parts/" in made]
            files.publish_output(claim.stage, key)
        self._finish(lease, output)

    def _caption(self, lease: LeaseKeeper, files: StageFiles) -> None:
        began = time.monotonic()
        with lease.stoppable():
            make_captioned_video(files, lease, self.setup.media, max_seconds=self.max_seconds)
        lease.check()
        self.work.finish_stage(lease.claim, seconds=round(time.monotonic() - began, 3))

    def _finish(self, lease: LeaseKeeper, output: Path) -> None:
        claim = lease.claim
        seconds = read_record(output).provenance.seconds
        lease.check()
        if claim.stage == PUBLISH.name:
            transcript = self._publish(claim, output / "transcript.json")
            self.work.publish(claim, seconds=seconds, recording_seconds=transcript.recording.duration)
        else:
            self.work.finish_stage(claim, seconds=seconds)

    def _publish(self, claim: Claim, path: Path) -> Transcript:
        """Results written here become visible only when the job is done; a job that ends earlier shows none of them."""
        self.blobs.put(claim.tenant, transcript_key(claim.job_id), blocks_of(path))
        transcript = Transcript.model_validate_json(path.read_bytes())
        if self.index_transcript is not None:
            self.index_transcript(claim.tenant, transcript)
        return transcript

    def _handle_cancelled(self, claim: Claim, reason: CancelReason, parts: list[str]) -> StageOutcome:
        match reason:
            case CancelReason.LEASE_LOST:
                return self._discard(claim)
            case CancelReason.SHUTTING_DOWN:
                return self._requeue(claim, NO_DELAY, "worker_shutting_down", counted=False)
            case CancelReason.TIMED_OUT if (
                parts
            ):  # the stage is long, not stuck: the next attempt resumes after the finished parts
                return self._requeue(claim, NO_DELAY, TimedOut.code, counted=False)
        return self._retry_or_fail(
            claim, TimedOut.code, f"The stage {claim.stage} exceeded its time limit.", retryable=True
        )

    def _discard(self, claim: Claim) -> StageOutcome:
        """Write nothing for a job whose claim is lost; data of a job erased meanwhile must not reappear."""
        if self.jobs.erasure_record(claim.tenant, claim.job_id) is not None:
            self.blobs.delete_prefix(claim.tenant, job_folder(claim.job_id))
        return StageOutcome.STOPPED

    def _requeue(self, claim: Claim, delay: timedelta, reason: str, *, counted: bool = True) -> StageOutcome:
        log.warning("worker.stage_requeued", job=claim.job_id, stage=claim.stage, reason=reason, counted=counted)
        _during_outage(partial(self.work.requeue, claim, delay=delay, counted=counted))
        return StageOutcome.REQUEUED

    def _retry_or_fail(self, claim: Claim, code: str, message: str, *, retryable: bool) -> StageOutcome:
        if retryable and claim.attempt < MAX_ATTEMPTS:
            return self._requeue(claim, RETRY_DELAY * claim.attempt, code)
        _during_outage(partial(self.work.fail, claim, JobFailure(code=code, message=message, stage=claim.stage)))
        return StageOutcome.FAILED


def _during_outage(change: Callable[[], object]) -> None:
    """Repeat the change until the database responds: otherwise the stage would count as one that killed its worker."""
    until = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            change()
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _report(lease: LeaseKeeper, event: StageEvent) -> None:
    match event:
        case StageProgressed():
            lease.progress(event.fraction)
        case StageWarned():  # its message may contain the name of a participant's track
            log.warning("worker.stage_warned", job=lease.claim.job_id, stage=event.stage, code=event.code)


def _trace_span(claim: Claim, ended: StageOutcome, began: int) -> TraceSpan:
    return TraceSpan(
        name=claim.stage,
        kind=TraceSpanKind.CONSUMER,
        started_ns=began,
        job_id=claim.job_id,
        failed=ended is StageOutcome.FAILED,
        attributes={"undertone.stage": claim.stage, "undertone.attempt": claim.attempt, "undertone.outcome": ended},
    )


def _error_location(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""

"""One stage of one job, from the claim to its end: run at least once, killed at any line, never half done."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from services.worker.assemble import recipes
from services.worker.caption import make_captioned
from services.worker.desk import Desk
from services.worker.hold import Hold, Stopped, Why
from services.worker.kept_engines import KeptEngines
from services.worker.limits import longest_attempt
from services.worker.scratch import Scratch
from services.worker.settings import WorkerSettings
from shared.domain.error import LeaseLost, StorageFull, StorageLost, StorageUnavailable, TimedOut, UndertoneError
from shared.domain.event import Event, StageProgressed, Warned
from shared.domain.job_blobs import job_folder, transcript_key
from shared.domain.job_record import JobFailure, JobRecord
from shared.domain.transcript import Transcript
from shared.domain.work import CAPTION, MOST_DELIVERIES, Claim, Refusal
from shared.engines.catalog import Setup
from shared.infra.artifacts_blobs import blocks_of
from shared.infra.telemetry import SILENT, Deed, Part, Tracer
from shared.pipeline.annotate import ensure, read_record
from shared.pipeline.stage import Stage, fingerprint
from shared.ports.blobs import BlobStore
from shared.ports.jobs import JobStore, WorkStore

log = structlog.get_logger()

PUBLISH = "publish"
AGAIN = timedelta(seconds=10)  # times the number of attempts
ROOM_AGAIN = timedelta(seconds=60)
AT_ONCE = timedelta(0)


class Ended(StrEnum):
    """How a delivery ended; whichever way, its message is acknowledged."""

    DONE = "done"
    REFUSED = "refused"
    STOPPED = "stopped"
    GIVEN_BACK = "given_back"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Runner:
    """A process's means to run stages; made after the fork, for connections do not survive one."""

    worker: str
    work: WorkStore
    jobs: JobStore
    blobs: BlobStore
    engines: KeptEngines
    setup: Setup
    scratch: Scratch
    settings: WorkerSettings
    longest: float
    refill: Callable[[], object]  # sends what may run now, in turns between tenants
    index: Callable[[str, Transcript], object] | None = None  # hears of a tenant's transcript just before its job ends
    tracer: Tracer = SILENT
    close: Callable[[], object] = lambda: None

    def run(self, job_id: str, stage: str) -> Ended:
        claim = self.work.claim(job_id, stage, self.worker, self._lease)
        if isinstance(claim, Refusal):
            log.info("worker.refused", job=job_id, stage=stage, why=claim)
            return Ended.REFUSED
        log.info("worker.claimed", job=job_id, stage=stage, attempt=claim.attempt)
        began = time.time_ns()
        hold = Hold(self.work, claim, lease=self._lease, look=self.settings.look_seconds)
        with hold.beating():
            ended = self._attempt(hold)
        log.info("worker.ended", job=job_id, stage=stage, attempt=claim.attempt, how=ended)
        self.tracer.tell(_deed(claim, ended, began))
        self._refill()
        return ended

    def _refill(self) -> None:
        try:
            self.refill()
        except Exception as error:  # noqa: BLE001 - Redis is away: the stage has ended well, and the dispatcher goes on
            log.warning("worker.queue_unreachable", error=type(error).__name__)

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=self.settings.lease_seconds)

    def _attempt(self, hold: Hold) -> Ended:
        parts: list[str] = []
        try:
            try:
                with self.engines.in_use(), self.scratch.room() as room:
                    self._make(hold, self.work.job(hold.claim), room, parts)
            except LeaseLost:
                raise
            except (Exception, Stopped) as error:  # noqa: BLE001 - whatever breaks, the stage is handed on or ends
                return self._after(hold.claim, error, parts)
        except LeaseLost:
            return self._let_go(hold.claim)
        return Ended.DONE

    def _after(self, claim: Claim, error: BaseException, parts: list[str]) -> Ended:
        match error:
            case Stopped():
                ended = self._stopped(claim, error.why, parts)
            case SoftTimeLimitExceeded():
                ended = self._stopped(claim, Why.SLOW, parts)
            case StorageFull() | OSError(errno=errno.ENOSPC | errno.EDQUOT):
                ended = self._give_back(claim, ROOM_AGAIN, StorageFull.code, counted=False)
            case StorageUnavailable():
                ended = self._give_back(claim, ROOM_AGAIN, error.code, counted=False)
            case StorageLost(stage=str(need)) if self.work.await_again(claim, need):
                log.warning("worker.output_lost", job=claim.job_id, stage=claim.stage, lost=need)
                ended = Ended.GIVEN_BACK
            case UndertoneError():
                ended = self._failed(claim, error.code, error.message, again=error.retryable)
            case _:
                # The exception's words may be the recording's: its type and place are enough to find it.
                names = {"error": type(error).__name__, "at": _place(error)}
                log.error("worker.stage_broke", job=claim.job_id, stage=claim.stage, **names)
                ended = self._failed(claim, UndertoneError.code, f"The stage {claim.stage} broke.", again=True)
        return ended

    def _make(self, hold: Hold, record: JobRecord, room: Path, parts: list[str]) -> None:
        claim = hold.claim
        desk = Desk.lay(self.blobs, claim.tenant, record.job, room, hold.check)
        if claim.stage == CAPTION:
            self._caption(hold, desk)
            return
        with hold.stoppable():
            stage = recipes(record.job, desk.files(claim.stage), self.setup, self.engines.load)[claim.stage]()
            fingerprints, inputs = desk.inputs(stage)
            hold.limit(longest_attempt(stage.name, desk.duration(inputs), longest=self.longest))
            print_ = fingerprint(stage, fingerprints)
            made = self._ensure(stage, print_, inputs, desk, hold, parts)
            desk.settle(stage.name, print_)
        self._finish(hold, made)

    def _caption(self, hold: Hold, desk: Desk) -> None:
        began = time.monotonic()
        with hold.stoppable():
            make_captioned(desk, hold, self.setup.media, longest=self.longest)
        hold.check()
        self.work.finish_stage(hold.claim, seconds=round(time.monotonic() - began, 3))

    def _ensure(
        self, stage: Stage, print_: str, inputs: dict[str, Path], desk: Desk, hold: Hold, parts: list[str]
    ) -> Path:
        def tell(event: Event) -> None:
            match event:
                case StageProgressed():
                    hold.progress(event.fraction)
                case Warned():  # its message may name a participant's track
                    log.warning("worker.warned", job=desk.job.id, stage=event.stage, code=event.code)

        try:
            return ensure(stage, f"{stage.name}/{print_}", inputs, desk.store, tell)
        finally:
            parts += [key for key in desk.store.made if ".parts/" in key]

    def _finish(self, hold: Hold, made: Path) -> None:
        claim = hold.claim
        seconds = read_record(made).provenance.seconds
        hold.check()
        if claim.stage == PUBLISH:
            transcript = self._publish(claim, made / "transcript.json")
            self.work.publish(claim, seconds=seconds, recording_seconds=transcript.recording.duration)
        else:
            self.work.finish_stage(claim, seconds=seconds)

    def _publish(self, claim: Claim, path: Path) -> Transcript:
        """Only a job that is done shows what is written here; so whatever ends it earlier has shown nothing."""
        self.blobs.put(claim.tenant, transcript_key(claim.job_id), blocks_of(path))
        transcript = Transcript.model_validate_json(path.read_bytes())
        if self.index is not None:
            self.index(claim.tenant, transcript)
        return transcript

    def _stopped(self, claim: Claim, why: Why, parts: list[str]) -> Ended:
        match why:
            case Why.LOST:
                return self._let_go(claim)
            case Why.ENDING:
                return self._give_back(claim, AT_ONCE, "worker_ending", counted=False)
            case Why.SLOW if parts:  # it is long, not stuck: the next attempt goes on behind the parts that are there
                return self._give_back(claim, AT_ONCE, TimedOut.code, counted=False)
        return self._failed(claim, TimedOut.code, f"The stage {claim.stage} took longer than it may.", again=True)

    def _let_go(self, claim: Claim) -> Ended:
        """Nothing is written for a job that is no longer ours; and what was erased meanwhile does not come back."""
        if self.jobs.tombstone(claim.tenant, claim.job_id) is not None:
            self.blobs.delete_prefix(claim.tenant, job_folder(claim.job_id))
        return Ended.STOPPED

    def _give_back(self, claim: Claim, delay: timedelta, why: str, *, counted: bool = True) -> Ended:
        log.warning("worker.given_back", job=claim.job_id, stage=claim.stage, why=why, counted=counted)
        self.work.give_back(claim, delay=delay, counted=counted)
        return Ended.GIVEN_BACK

    def _failed(self, claim: Claim, code: str, message: str, *, again: bool) -> Ended:
        if again and claim.attempt < MOST_DELIVERIES:
            return self._give_back(claim, AGAIN * claim.attempt, code)
        self.work.fail(claim, JobFailure(code=code, message=message, stage=claim.stage))
        return Ended.FAILED


def _deed(claim: Claim, ended: Ended, began: int) -> Deed:
    return Deed(
        name=claim.stage,
        part=Part.CONSUMER,
        began=began,
        job_id=claim.job_id,
        failed=ended is Ended.FAILED,
        facts={"undertone.stage": claim.stage, "undertone.attempt": claim.attempt, "undertone.ended": ended},
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""

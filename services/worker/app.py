"""The Celery application of the worker: one task, and every setting that crash recovery depends on."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from functools import cache
from uuid import uuid4

import structlog
from celery import Celery, signals

from services.worker.engine_cache import EngineCache
from services.worker.heartbeat_step import HeartbeatStep
from services.worker.liveness import LIVENESS
from services.worker.report_step import ReportStep
from services.worker.run_stage import StageRunner
from services.worker.scratch import Scratch
from services.worker.settings import WorkerSettings
from services.worker.stall_step import StallStep
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from shared.infra.database.work_queue import SqlWorkQueue
from shared.infra.queue_celery import TASK, CeleryQueue, broker_settings
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.settings import DatabaseSettings, PublicSettings, StorageSettings
from shared.infra.storage_factory import open_blob_store, open_database_for
from shared.infra.telemetry import TelemetrySettings, make_tracer
from shared.infra.ticket_sender import TicketSender

log = structlog.get_logger()


def make_app(worker: WorkerSettings, queue: QueueSettings, redis: RedisSettings) -> Celery:
    celery_app = Celery("undertone")
    celery_app.conf.update(
        {
            **broker_settings(redis, queue),
            # A message is acknowledged when its stage ends: if a child process is killed, it is redelivered. Without
            # the second setting it would be lost; without the claim's attempt counter it would be redelivered forever.
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # A busy worker must not reserve messages that another worker could run.
            "worker_prefetch_multiplier": 1,
            "worker_concurrency": worker.processes,
            # Time limits need processes, and a crash of native code must not affect other stages.
            "worker_pool": "prefork",
            # Ends a hung decoder or model. Each stage has a tighter limit by its duration; these are the backstop.
            # The message of a stage that timed out is acknowledged: the sweep retries it, not the broker.
            "task_soft_time_limit": queue.max_stage_seconds - 60,
            "task_time_limit": queue.max_stage_seconds,
            # After a lost connection the broker redelivers the message: stop, rather than run the stage twice.
            "worker_cancel_long_running_tasks_on_connection_loss": True,
            # Native code leaks memory.
            "worker_max_tasks_per_child": worker.tasks_per_process or None,
            "worker_max_memory_per_child": worker.memory_per_process_mb * 1024 or None,
            # Write access to the broker must not allow remote control of workers.
            "worker_enable_remote_control": False,
            "worker_send_task_events": False,
            "worker_redirect_stdouts": False,  # keeps the format of our log lines
            "worker_proc_alive_timeout": 60,  # the default of 4 s is too short on a busy machine
        }
    )
    celery_app.task(run_stage, name=TASK)
    celery_app.steps["consumer"].update((HeartbeatStep, StallStep, ReportStep))
    return celery_app


def run_stage(job_id: str, stage: str) -> None:
    """The Celery task; its result is stored in the database."""
    LIVENESS.mark()
    runner().run(job_id, stage)


def close_runner(**_: object) -> None:
    if runner.cache_info().currsize:
        runner().close()
        runner.cache_clear()


signals.worker_process_shutdown.connect(close_runner, weak=False)


@cache
def runner() -> StageRunner:
    """Created once per forked process, with its first stage."""
    worker, queue, storage = WorkerSettings(), QueueSettings(), StorageSettings()
    database = open_database_for(DatabaseSettings(), storage)
    tracer = make_tracer(TelemetrySettings(), "worker")  # created here because its thread would not survive the fork
    closing = ExitStack()
    closing.callback(database.close)
    closing.callback(tracer.close)
    blobs = open_blob_store(storage, database)
    scratch = Scratch(worker.scratch)
    scratch.sweep()  # the replaced process may have been killed
    tickets = TicketSender(SqlWorkQueue(database), CeleryQueue(RedisSettings(), queue), queue.max_waiting)
    return StageRunner(
        worker=f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}",
        work=SqlWorkStore(database, public_url=PublicSettings().url),
        jobs=SqlJobStore(database),
        blobs=blobs,
        index_transcript=SqlTranscriptIndex(database).index_transcript,
        engines=EngineCache(worker.idle_unload_seconds),
        setup=Setup(engines=EngineSettings(), media=MediaSettings()),
        scratch=scratch,
        settings=worker,
        max_seconds=queue.max_stage_seconds,
        send_pending=tickets.send_pending,
        tracer=tracer,
        close=closing.close,
    )


@signals.worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _sweep(**_: object) -> None:
    if count := Scratch(WorkerSettings().scratch).sweep():
        log.info("worker.scratch_swept", folders=count)

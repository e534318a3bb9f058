"""The Celery application of the worker: one task, and every setting that a crash depends on."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from functools import cache
from uuid import uuid4

import structlog
from celery import Celery, signals

from services.worker.dispatcher import Dispatcher
from services.worker.engine_cache import EngineCache
from services.worker.heartbeat_step import HeartbeatStep
from services.worker.run_stage import StageRunner
from services.worker.scratch import Scratch
from services.worker.settings import WorkerSettings
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

log = structlog.get_logger()


def make_app(worker: WorkerSettings, queue: QueueSettings, redis: RedisSettings) -> Celery:
    made = Celery("undertone")
    made.conf.update(
        {
            **broker_settings(redis, queue),
            # A message lives until its stage has ended: a killed child is noticed and the message comes again. Without
            # the second setting it would be lost; without the attempts that a claim counts it would come for ever.
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            # No work is held hostage by a busy worker.
            "worker_prefetch_multiplier": 1,
            "worker_concurrency": worker.processes,
            # Limits need processes, and native code that crashes must not take the others along.
            "worker_pool": "prefork",
            # A hung decoder or model ends. Each stage has a tighter limit by its duration; these are the backstop.
            # The message of a stage that timed out is acknowledged: the sweep tries it again, not the broker.
            "task_soft_time_limit": queue.max_stage_seconds - 60,
            "task_time_limit": queue.max_stage_seconds,
            # A lost connection means that the message is delivered elsewhere: stop, rather than do it twice.
            "worker_cancel_long_running_tasks_on_connection_loss": True,
            # Native code leaks.
            "worker_max_tasks_per_child": worker.tasks_per_process or None,
            "worker_max_memory_per_child": worker.memory_per_process_mb * 1024 or None,
            # Whoever may write to the broker must not command workers by it.
            "worker_enable_remote_control": False,
            "worker_send_task_events": False,
            "worker_redirect_stdouts": False,  # our own log lines are written as they are
            "worker_proc_alive_timeout": 60,  # the default of 4 s is short on a machine that works hard
        }
    )
    made.task(run_stage, name=TASK)
    made.steps["consumer"].add(HeartbeatStep)
    return made


def run_stage(job_id: str, stage: str) -> None:
    """The task; whatever comes of it stands in the database."""
    runner().run(job_id, stage)


def close_runner(**_: object) -> None:
    if runner.cache_info().currsize:
        runner().close()
        runner.cache_clear()


signals.worker_process_shutdown.connect(close_runner, weak=False)


@cache
def runner() -> StageRunner:
    """Made once in every forked process, when its first stage comes."""
    worker, queue, storage = WorkerSettings(), QueueSettings(), StorageSettings()
    database = open_database_for(DatabaseSettings(), storage)
    tracer = make_tracer(TelemetrySettings(), "worker")  # its thread would not survive the fork
    closing = ExitStack()
    closing.callback(database.close)
    closing.callback(tracer.close)
    blobs = open_blob_store(storage)
    scratch = Scratch(worker.scratch)
    scratch.sweep()  # a process that is replaced has perhaps been killed
    dispatcher = Dispatcher(
        SqlWorkQueue(database), CeleryQueue(RedisSettings(), queue), blobs, max_waiting=queue.max_waiting
    )
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
        send_pending=dispatcher.enqueue_pending,
        tracer=tracer,
        close=closing.close,
    )


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _send_traces(**_: object) -> None:
    if runner.cache_info().currsize:
        runner().tracer.close()


@signals.worker_init.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _sweep(**_: object) -> None:
    if count := Scratch(WorkerSettings().scratch).sweep():
        log.info("worker.scratch_swept", folders=count)

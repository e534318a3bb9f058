from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.worker.app import close_runner, make_app, run_stage, runner
from services.worker.settings import WorkerSettings
from services.worker.stage_timeout import max_attempt_seconds
from shared.domain.stage_plan import DECODE, TRANSCRIBE
from shared.infra.queue_celery import TASK, CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings

REDIS = RedisSettings.model_validate({"url": "redis://localhost/0"})


def test_settings_for_crash_recovery_are_set() -> None:
    conf = make_app(WorkerSettings(), QueueSettings(), REDIS).conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert conf.broker_transport_options["visibility_timeout"] == 7200
    assert conf.result_backend_transport_options["visibility_timeout"] == conf.visibility_timeout == 7200
    assert conf.broker_transport_options["unacked_restore_interval"] == 10
    assert conf.broker_transport_options["unacked_restore_throttle"] == 1
    assert (conf.worker_prefetch_multiplier, conf.worker_concurrency, conf.worker_pool) == (1, 1, "prefork")
    assert conf.task_time_limit == conf.task_soft_time_limit + 60 == 3600
    assert conf.worker_soft_shutdown_timeout == 0, "it always waits for the whole limit; see shutdown.py"
    assert conf.worker_cancel_long_running_tasks_on_connection_loss is True
    assert conf.worker_max_tasks_per_child == 50
    assert conf.worker_max_memory_per_child == 6144 * 1024
    assert (conf.task_ignore_result, conf.result_backend) == (True, None)
    assert conf.task_create_missing_queues is False
    assert (conf.accept_content, conf.task_serializer) == (["json"], "json")
    assert conf.worker_enable_remote_control is False


def test_senders_and_workers_have_the_same_visibility_timeout() -> None:
    """The shortest value of any program on the broker wins."""
    queue = QueueSettings(max_stage_seconds=600)
    sender = CeleryQueue(REDIS, queue)
    ours = make_app(WorkerSettings(), queue, REDIS).conf
    assert sender._app.conf.broker_transport_options == ours.broker_transport_options
    sender.close()


def test_one_task_is_registered() -> None:
    app = make_app(WorkerSettings(), QueueSettings(), REDIS)
    assert [name for name in app.tasks if not name.startswith("celery.")] == [TASK]


def test_a_worker_accepts_only_known_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER__QUEUES", "gpu, cpu")
    assert WorkerSettings().queues == ("gpu", "cpu")
    monkeypatch.setenv("WORKER__QUEUES", "gpuu")
    with pytest.raises(ValidationError, match="the queues are"):
        WorkerSettings()


def test_time_limits_grow_with_the_recording_and_stay_below_the_queues() -> None:
    short, hour = (max_attempt_seconds(TRANSCRIBE, seconds, max_seconds=36000) for seconds in (60.0, 3600.0))
    assert short < hour
    assert (
        max_attempt_seconds(TRANSCRIBE, 1e6, max_seconds=3600)
        == max_attempt_seconds(DECODE, None, max_seconds=3600)
        == 3480
    )


def test_a_process_creates_its_runner_once_and_sweeps_old_scratch_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All settings come from the environment, as in a container; a message of an unknown job is ignored."""
    for name, value in {
        "STORAGE__FOLDER": str(tmp_path),
        "WORKER__SCRATCH": str(tmp_path / "scratch"),
        "REDIS__URL": "redis://localhost:1/0",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "scratch" / "stage-left").mkdir(parents=True)
    runner.cache_clear()
    try:
        run_stage("no such job", "decode")
        assert runner() is runner()
        assert list((tmp_path / "scratch").iterdir()) == []
    finally:
        close_runner()

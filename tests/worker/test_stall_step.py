"""A worker that takes no work although work waits is ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from redis import ConnectionError as RedisUnavailable

from services.worker.app import make_app
from services.worker.liveness import Liveness
from services.worker.settings import WorkerSettings
from services.worker.stall_step import (
    RECONNECT_SECONDS,
    STALL_SECONDS,
    StallStep,
    StallWatch,
    recover_if_stalled,
)
from shared.infra.queue_settings import QueueSettings, RedisSettings

LONG = STALL_SECONDS + 1


class Situation:
    """The number of waiting messages and the time, both set by the test; the progress is real."""

    def __init__(self) -> None:
        self.progress = Liveness()
        self.now = self.progress.last
        self.messages = 1
        self.reachable = True
        self.server = "first"
        self.watch = StallWatch(self.waiting, lambda: self.server, self.progress, lambda: self.now)

    def waiting(self) -> int:
        if not self.reachable:
            raise RedisUnavailable
        return self.messages

    def stalled_after(self, seconds: float) -> bool:
        self.now += seconds
        return self.watch.seconds_without_progress() > STALL_SECONDS


def test_a_worker_is_stalled_if_messages_wait_and_no_process_reports_progress() -> None:
    situation = Situation()
    assert not situation.stalled_after(LONG), "the message may have arrived just now"
    assert not situation.stalled_after(STALL_SECONDS / 2)
    assert situation.stalled_after(STALL_SECONDS)


def test_an_idle_worker_and_one_without_redis_are_not_stalled() -> None:
    situation = Situation()
    situation.messages = 0
    assert not any(situation.stalled_after(LONG) for _ in range(3))
    situation.messages, situation.reachable = 1, False
    assert not any(situation.stalled_after(LONG) for _ in range(3))
    situation.reachable = True
    assert not situation.stalled_after(LONG), "it has time to reconnect"


def test_progress_of_a_forked_process_is_seen_in_the_main_process() -> None:
    code = (
        "import os, time; from services.worker.liveness import LIVENESS; before = LIVENESS.last; time.sleep(0.01)\n"
        "if (child := os.fork()) == 0:\n    LIVENESS.mark(); os._exit(0)\n"
        "os.waitpid(child, 0); raise SystemExit(0 if LIVENESS.last > before else 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_a_worker_that_stalls_after_redis_was_started_again_reconnects() -> None:
    situation = Situation()
    recover_if_stalled(situation.watch)
    situation.now += RECONNECT_SECONDS + 1
    recover_if_stalled(situation.watch)
    situation.server = "second"
    with pytest.raises(RedisUnavailable, match="started again"):
        recover_if_stalled(situation.watch)
    situation.progress.mark()
    situation.now = situation.progress.last + 1
    recover_if_stalled(situation.watch)


def test_a_stalled_worker_ends_itself() -> None:
    code = (
        "from services.worker import stall_step\n"
        "class Stalled:\n    def seconds_without_progress(self): return stall_step.STALL_SECONDS + 1\n"
        "stall_step.recover_if_stalled(Stalled())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert ended.returncode == -signal.SIGKILL and b"worker.stalled" in ended.stdout


def test_the_worker_has_the_step() -> None:
    redis = RedisSettings.model_validate({"url": "redis+socket:///run/redis.sock?virtual_host=1"})
    assert redis.client_url == "unix:///run/redis.sock?db=1"
    assert StallStep in make_app(WorkerSettings(), QueueSettings(), redis).steps["consumer"]

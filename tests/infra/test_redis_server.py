from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from shared.domain.error import InvalidSetting
from shared.domain.work import Ticket
from shared.infra.queue_celery import CeleryQueue
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.redis_server import RedisServer, find_server
from tests.gateway.serving import eventually
from tests.local_redis import redis_running

TICKET = Ticket(job_id="j", stage="decode")


def queue_at(url: str) -> CeleryQueue:
    return CeleryQueue(RedisSettings.model_validate({"url": url}), QueueSettings())


def test_tickets_survive_a_restart(tmp_path: Path) -> None:
    for expected in (0, 1):
        with redis_running(tmp_path / "redis") as url:
            queue = queue_at(url)
            assert (queue.waiting("cpu"), queue.waiting("gpu")) == (expected, 0)
            queue.send(TICKET)
            assert (queue.waiting_tickets("cpu"), queue.waiting_tickets("gpu")) == ({("j", "decode")}, set())
            queue.close()


def test_message_contains_only_job_and_stage_as_json(tmp_path: Path) -> None:
    with redis_running(tmp_path / "redis") as url:
        queue = queue_at(url)
        queue.send(TICKET)
        client = redis.Redis(unix_socket_path=url.removeprefix("redis+socket://"))
        message = client.lrange("cpu", 0, -1)[0]
        assert b'"content-type": "application/json"' in message
        assert b"undertone.run_stage" in message
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        client.close()
        queue.close()


def test_other_users_cannot_connect(tmp_path: Path) -> None:
    with redis_running(tmp_path / "redis") as url:
        socket = Path(url.removeprefix("redis+socket://"))
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        client = redis.Redis(unix_socket_path=str(socket))
        assert client.config_get("port") == {"port": "0"}
        client.close()


def test_socket_of_a_folder_with_a_long_path_is_in_a_temporary_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with redis_running(folder) as url:
        socket = Path(url.removeprefix("redis+socket://"))
        assert socket.exists()
        assert len(str(socket)) < 108
    assert not socket.parent.exists()


def test_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\n"
        "from tests.local_redis import redis_running\n"
        "with redis_running(pathlib.Path(sys.argv[1])):\n    print('up', flush=True)\n    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "redis")], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    server = RedisServer.at(tmp_path / "redis")
    assert eventually(server.is_ready)  # its limit is one second, which a busy machine may exceed
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert eventually(lambda: not server.is_ready())


def test_missing_redis_server_raises_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidSetting) as caught:
        find_server("no_such_package")
    assert caught.value.hint is not None and "valkey-server" in caught.value.hint


def test_queue_without_a_redis_url_raises_an_error() -> None:
    with pytest.raises(InvalidSetting, match="Redis URL is not set"):
        queue_at("")

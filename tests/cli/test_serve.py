from __future__ import annotations

import socket
from pathlib import Path
from threading import Event

import pytest

from services.cli.serve import ServeConfig, exclusive_lock, running, secret_key
from shared.domain.error import InvalidSetting, StateConflict


def plan(data: Path, **changes: object) -> ServeConfig:
    return ServeConfig(**{"data": data, "host": "127.0.0.1", "port": 1, "workers": 2, **changes})  # type: ignore[arg-type]


def test_on_loopback_no_key_is_needed_and_local_callbacks_are_allowed(tmp_path: Path) -> None:
    here = plan(tmp_path)
    assert here.environment("redis://r")["GATEWAY__KEYLESS"] == "true"
    commands = {program.name: program.command for program in here.child_processes()}
    assert commands["courier"][-1] == "--loopback"
    assert [name for name in commands if name.startswith("worker")] == ["worker-1", "worker-2", "worker-fast"]


def test_on_other_addresses_keys_are_needed_and_local_callbacks_are_not_allowed(tmp_path: Path) -> None:
    there = plan(tmp_path, host="0.0.0.0")  # noqa: S104 - tested here
    assert there.environment("redis://r")["GATEWAY__KEYLESS"] == "false"
    assert "--loopback" not in next(one.command for one in there.child_processes() if one.name == "courier")
    assert plan(tmp_path, host="::1").address == "http://[::1]:1"


def test_every_child_uses_the_data_folder_and_the_operators_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKER__QUEUES", "cpu")
    settings = plan(tmp_path).environment("redis+socket:///s")
    assert settings["STORAGE__FOLDER"] == str(tmp_path)
    assert settings["REDIS__URL"] == "redis+socket:///s"
    assert settings["WORKER__QUEUES"] == "cpu"
    assert settings["WORKER__SCRATCH"].startswith(str(tmp_path))


def test_the_encryption_key_is_created_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETS__KEYS", raising=False)
    made = secret_key(tmp_path)
    assert len(made) == 44
    assert secret_key(tmp_path) == made
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("SECRETS__KEYS", "the operator's own")
    assert secret_key(tmp_path) == "the operator's own"


def test_a_data_folder_is_locked_by_one_service(tmp_path: Path) -> None:
    with exclusive_lock(tmp_path), pytest.raises(StateConflict, match="Another"), exclusive_lock(tmp_path):
        pass
    with exclusive_lock(tmp_path):
        pass


def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidSetting, match=str(port)), running(plan(tmp_path, port=port), tmp_path, Event()):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_shutdown_during_the_start_stops_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRETS__KEYS", "k")
    stop = Event()
    stop.set()
    with running(plan(tmp_path), tmp_path, stop) as children:
        assert [child.program.name for child in children._children] == ["redis"]
    assert not (tmp_path / "redis" / "redis.sock").exists()

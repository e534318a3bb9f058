"""The first key is shown only if the gateway can serve, and is stored only after it was shown."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.gateway.first_key import make_first_key, show_in_log
from shared.domain.error import InvalidSetting
from shared.infra.database.engine import Database, open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import ApiKeyVerifier
from shared.infra.secret_encryption import new_key
from shared.infra.web.listener import bound_sockets

ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from services.gateway.first_key import make_first_key
from shared.infra.database.engine import open_database

folder = Path(sys.argv[1])
database = open_database(f"sqlite:///{folder / 'undertone.db'}")
make_first_key(folder, database, lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
    yield opened
    opened.close()


def test_the_first_key_is_created_once_and_is_valid(tmp_path: Path, database: Database) -> None:
    shown: list[str] = []
    make_first_key(tmp_path, database, shown.append)
    make_first_key(tmp_path, database, shown.append)
    [text] = shown
    assert ApiKeyVerifier(SqlKeyStore(database), database.clock).verify(text).name == "first start"


def test_the_first_key_is_shown_before_it_is_stored(tmp_path: Path, database: Database) -> None:
    store = SqlKeyStore(database)

    def show(_text: str) -> None:
        assert not store.any_usable()
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        make_first_key(tmp_path, database, show)
    assert not store.any_usable()


def test_the_next_start_after_a_kill_shows_another_key(tmp_path: Path, database: Database) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    shown: list[str] = []
    make_first_key(tmp_path, database, shown.append)
    assert len(shown) == 1


def test_the_first_key_is_shown_in_the_log_format(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG__FORMAT", "json")
    show_in_log("ut_1_x")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["key"]) == ("gateway.first_key", "ut_1_x")
    monkeypatch.setenv("LOG__FORMAT", "text")
    show_in_log("ut_1_x")
    assert "      ut_1_x\n" in capsys.readouterr().err


def test_a_port_in_use_is_reported() -> None:
    [first] = bound_sockets("127.0.0.1", 0)
    with first:
        first.listen()
        with pytest.raises(InvalidSetting, match="already in use"):
            bound_sockets("127.0.0.1", first.getsockname()[1])
    with pytest.raises(InvalidSetting, match="Cannot listen"):
        bound_sockets("no-such-host.invalid", 0)


def start(folder: Path, **settings: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    ours = {"STORAGE__FOLDER": str(folder), "REDIS__URL": "redis://127.0.0.1:9/0", "SECRETS__KEYS": new_key()}
    return subprocess.Popen(
        [sys.executable, "-m", "services.container", "gateway"],
        cwd=ROOT,
        env={**inherited, **ours, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_a_container_that_cannot_serve_creates_no_key(tmp_path: Path, database: Database) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for settings, word in (
            ({"GATEWAY__PORT": port}, "already in use"),
            ({"GATEWAY__PORT": "many"}, "GATEWAY__PORT"),
            ({"REDIS__URL": ""}, "REDIS__URL"),
            ({"SECRETS__KEYS": "short"}, "SECRETS__KEYS"),
        ):
            process = start(tmp_path, **settings)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 78, output
            assert word in output and "ut_" not in output
            assert not SqlKeyStore(database).any_usable()


@pytest.mark.slow
def test_a_container_that_serves_shows_the_key_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    keys: list[str] = []
    for _ in range(2):
        process = start(tmp_path, GATEWAY__PORT=port)
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/livez")
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.1)
        if keys:
            answer = httpx.get(f"http://127.0.0.1:{port}/v1/jobs", headers={"Authorization": f"Bearer {keys[0]}"})
            assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        lines = [json.loads(line) for line in output.splitlines()]
        keys += [line["key"] for line in lines if line["event"] == "gateway.first_key"]
        assert len(keys) == 1

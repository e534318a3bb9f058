"""What a container does before its service: the first key, and its health."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.container.first_key import first_key
from services.container.health import healthy
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import Doorkeeper

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path))
    return tmp_path


def test_the_first_key_is_made_once_and_lets_in(folder: Path) -> None:
    text = first_key(folder)
    assert text is not None
    assert first_key(folder) is None
    database = open_database(f"sqlite:///{folder / 'undertone.db'}")
    key = Doorkeeper(SqlKeyStore(database), database.clock).admit(text)
    database.close()
    assert key.name == "first start"


def test_a_service_whose_servers_are_away_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE__URL", "postgresql://undertone:a-password@127.0.0.1:9/undertone")
    monkeypatch.setenv("GATEWAY__PORT", "9")
    assert not healthy("courier")
    assert not healthy("gateway")
    assert "a-password" not in capsys.readouterr().out


def test_an_unknown_service_is_named_with_those_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.container", "nothing"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 64 and "gateway" in done.stderr

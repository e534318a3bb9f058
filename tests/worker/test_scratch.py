from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from services.worker.scratch import Scratch


def test_a_scratch_folder_exists_only_during_its_stage(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    with scratch.folder() as folder:
        (folder / "file").write_text("something")
        assert scratch.sweep() == 0, "the folder is in use"
        assert folder.is_dir()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_folder_of_a_killed_process_is_swept(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    script = (
        "import pathlib, sys, time\n"
        "from services.worker.scratch import Scratch\n"
        "with Scratch(pathlib.Path(sys.argv[1])).folder() as folder:\n"
        "    (folder / 'file').write_text('something')\n"
        "    time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "scratch")])
    while not list((tmp_path / "scratch").glob("*/file")):
        time.sleep(0.01)
    assert scratch.sweep() == 0
    other.kill()
    other.wait()
    assert scratch.sweep() == 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_folder_without_a_lock_is_swept(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    (tmp_path / "stage-left").mkdir()
    assert scratch.sweep() == 1
    assert list(tmp_path.iterdir()) == []

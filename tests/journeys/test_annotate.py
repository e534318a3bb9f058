"""`undertone annotate` as a real process: the sample meeting, kills and pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.domain.transcript import Transcript
from tests.running_service import cut

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "standup.mp4"
COMMAND = (sys.executable, "-m", "services.cli")


def run(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "120", "TMPDIR": str(home)}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """One full run over the sample, shared by tests that only read its results."""
    home = tmp_path_factory.mktemp("home")
    formats = "json,vtt,srt,txt,md,csv,rttm,ctm,TextGrid,eaf"
    done = run("annotate", SAMPLE, "-o", home / "out", "--format", formats, "--cache", home / "cache", home=home)
    return home, done


def test_the_sample_is_annotated_and_printed_on_the_terminal(
    annotated: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = annotated
    assert done.returncode == 0, done.stderr
    transcript = Transcript.model_validate_json((home / "out" / "standup.json").read_bytes())
    assert len(transcript.speakers) == 4
    assert {utterance.emotion is not None for utterance in transcript.utterances} == {True}
    assert "Perceived emotion" in done.stdout
    assert sorted(path.suffix for path in (home / "out").iterdir()) == sorted(
        f".{suffix}" for suffix in ("json", "vtt", "srt", "txt", "md", "csv", "rttm", "ctm", "TextGrid", "eaf")
    )


def test_a_second_run_reuses_every_stage_and_prints_the_same(
    annotated: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, first = annotated
    again = run("annotate", SAMPLE, "--format", "json", "-o", "-", "--cache", home / "cache", home=home)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == json.loads((home / "out" / "standup.json").read_text())
    assert again.stderr.count("(reused)") == 8, again.stderr
    assert first.returncode == 0


def test_no_files_remain_except_the_requested_ones(
    annotated: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = annotated
    assert sorted(path.name for path in home.iterdir() if not path.name.startswith(".")) == ["cache", "out"]
    assert list((home / "cache" / ".scratch").iterdir()) == []


@pytest.mark.parametrize(("signal_", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_run_leaves_no_partial_file_and_resumes(
    tmp_path: Path, signal_: signal.Signals, status: int
) -> None:
    recording = cut(tmp_path / "standup.mp4", seconds=15.0)
    arguments = ("annotate", recording, "-o", tmp_path / "out", "--format", "json", "--cache", tmp_path / "cache", "-q")
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [*COMMAND, *map(str, arguments)]
    # A shell starts background processes with SIGINT ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "cache").glob("detect_speech/*")):
        assert process.poll() is None and time.monotonic() < deadline, "the run ended before it could be interrupted"
        time.sleep(0.05)
    process.send_signal(signal_)
    assert process.wait(timeout=60) == status
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    done = run(*arguments, home=tmp_path)
    assert done.returncode == 0, done.stderr
    Transcript.model_validate_json((tmp_path / "out" / "standup.json").read_bytes())
    assert list((tmp_path / "cache" / ".scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b"", "empty_file", 65),
        (b"Minutes of the meeting: nobody came.\n" * 50, "unsupported_media", 65),
        (b"PK\x03\x04" + bytes(500), "unsupported_media", 65),
    ],
    ids=["empty", "text", "zip"],
)
def test_a_file_that_is_no_recording_fails_with_a_code_and_leaves_no_files(
    tmp_path: Path, content: bytes, code: str, status: int
) -> None:
    recording = tmp_path / "meeting.mp4"
    recording.write_bytes(content)
    done = run("annotate", recording, "-o", tmp_path / "out", home=tmp_path)
    assert (done.returncode, done.stdout) == (status, "")
    assert f"[{code}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["meeting.mp4"]

"""The PyAV decoder: a child with limits that gets no names and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import DecodeFailed, InvalidRequest, NoAudio
from shared.domain.span import span
from shared.engines.catalog import DECODER, Setup, choose
from shared.engines.decoder.protocol import SoundRequest
from shared.engines.decoder.sandbox import sandboxed_child
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports.media import SAMPLE_RATE, TrackFile
from tests.media_files import Picture, silence, tone, write_media

PYAV = PyAvDecoder(MediaSettings())
ROOT = Path(__file__).parents[2]


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files; every test leaves it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def decode(media: Path, into: Path, decoder: PyAvDecoder = PYAV) -> None:
    decoder.decode(media, into, tracks=(), separate_channels=False, progress=lambda _: None)


def children() -> set[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in listed}


def test_catalog_selects_pyav() -> None:
    chosen = choose(DECODER, None, Setup(EngineSettings(), MediaSettings()))
    assert isinstance(chosen, PyAvDecoder)
    assert chosen.name.startswith("pyav:")
    assert chosen.fingerprint.startswith(chosen.name)


def test_mix_and_named_tracks_are_written(tmp_path: Path, into: Path, scratch: Path) -> None:
    shares: list[float] = []
    ana, ben = write_media(tmp_path / "1.ogg", tone(2)), write_media(tmp_path / "2.mp3", tone(1))
    tracks = [TrackFile("Ana", ana), TrackFile("Ben", ben)]
    media = write_media(tmp_path / "a.mp4", tone(2), picture=Picture(2))
    probe = PYAV.decode(media, into, tracks=tracks, separate_channels=False, progress=shares.append)
    assert [track.name for track in probe.tracks] == ["Ana", "Ben"]
    assert [round(track.seconds, 1) for track in probe.tracks] == [2.0, 1.0]
    assert {file.name for file in into.iterdir()} == {"mix.f32", "track-0.f32", "track-1.f32"}
    assert (into / "track-1.f32").stat().st_size == round(probe.tracks[1].seconds * 16_000) * 4
    assert shares == sorted(shares)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("ending", [".wav", ".webm", ".mp3"])
def test_tracks_are_aligned_with_the_recording_by_their_start(tmp_path: Path, into: Path, ending: str) -> None:
    beep = np.concatenate([silence(1), tone(1)])  # it sounds from 1 s to 2 s of its file
    file = write_media(tmp_path / f"track{ending}", beep)
    starts = (0.0, 3.25, 0.04, -1.5)
    tracks = [TrackFile(f"at {start}", file, start) for start in starts]
    recording = write_media(tmp_path / "a.wav", silence(3))
    probe = PYAV.decode(recording, into, tracks=tracks, separate_channels=False, progress=lambda _: None)
    for number, start in enumerate(starts):
        loud = np.abs(np.fromfile(into / f"track-{number}.f32", dtype="<f4")) > 0.1
        first, last = np.flatnonzero(loud)[[0, -1]] / SAMPLE_RATE
        assert first == pytest.approx(max(0.0, 1 + start), abs=0.03), start
        assert last == pytest.approx(2 + start, abs=0.03), start
    assert probe.duration == pytest.approx(5.25, abs=0.06), "the meeting lasts until its last track ends"


def test_a_track_that_ends_before_the_recording_is_refused_by_name(tmp_path: Path, into: Path) -> None:
    file = write_media(tmp_path / "a.wav", tone(1))
    with pytest.raises(DecodeFailed, match="Track 'Ben': The track ends before the recording begins"):
        PYAV.decode(file, into, tracks=[TrackFile("Ben", file, -2.0)], separate_channels=False, progress=lambda _: None)


def test_error_in_a_track_contains_the_track_name(tmp_path: Path, into: Path) -> None:
    video = write_media(tmp_path / "b.mp4", picture=Picture(1))
    with pytest.raises(NoAudio, match="Track 'Ben'"):
        PYAV.decode(
            write_media(tmp_path / "a.wav", tone(1)),
            into,
            tracks=[TrackFile("Ben", video)],
            separate_channels=False,
            progress=lambda _: None,
        )


def test_tracks_and_separate_channels_are_rejected_together(tmp_path: Path, into: Path) -> None:
    media = write_media(tmp_path / "a.wav", tone(1))
    with pytest.raises(InvalidRequest):
        PYAV.decode(media, into, tracks=[TrackFile("Ana", media)], separate_channels=True, progress=lambda _: None)


def test_frames_have_the_requested_rate_and_size(tmp_path: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(4), picture=Picture(4))
    frames = list(PYAV.frames(media, [span(1, 3)], per_second=4, longest_side=80))
    assert len(frames) == 8
    assert frames[0].pixels.shape == (60, 80, 3)
    assert frames[0].pixels.dtype == np.uint8


def test_more_spans_than_fit_in_a_command_line(tmp_path: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(1))
    spans = [span(0, 0.5), *(span(1000 + n / 3, 1000 + n / 3 + 0.1) for n in range(20_000))]
    assert len(list(PYAV.frames(media, spans, per_second=4, longest_side=80))) == 2


def test_closing_the_iterator_early_ends_the_child(tmp_path: Path, scratch: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(20), picture=Picture(20, width=640, height=480))
    before = children()
    frames = PYAV.frames(media, [span(0, 60)], per_second=10, longest_side=640)
    next(iter(frames))
    assert len(children() - before) == 1
    frames.close()  # type: ignore[attr-defined]
    assert children() == before
    assert list(scratch.iterdir()) == []


def test_frames_of_an_unreadable_video_fail(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(100))
    with pytest.raises(DecodeFailed):
        list(PYAV.frames(tmp_path / "a.mp4", [span(0, 1)], per_second=4, longest_side=80))


def test_decoding_ends_after_the_time_limit(tmp_path: Path, into: Path, scratch: Path) -> None:
    media = write_media(tmp_path / "a.wav", silence(10))
    before = children()
    with pytest.raises(DecodeFailed, match="too long"):
        decode(media, into, PyAvDecoder(MediaSettings(max_decode_seconds=0.05)))
    assert children() == before
    assert list(scratch.iterdir()) == []


def test_time_spent_by_the_consumer_does_not_count(tmp_path: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(2), picture=Picture(2))
    decoder = PyAvDecoder(MediaSettings(max_decode_seconds=20))
    frames = decoder.frames(media, [span(0, 2)], per_second=2, longest_side=80)
    with sandboxed_child("frames", SoundRequest(media="", into=""), [], MediaSettings(max_decode_seconds=0.2)) as child:
        time.sleep(0.5)
        assert child.timeout_seconds == 0.2
    assert len(list(frames)) == 4


def test_invalid_request_is_a_failure() -> None:
    """Any non-zero status is a failure: here the child has an unexpected error."""
    with (
        sandboxed_child("decode", SoundRequest(media="/nowhere", into="/nowhere"), [], MediaSettings()) as child,
        pytest.raises(DecodeFailed, match="status 1"),
    ):
        list(child.reports())


def test_killed_child_is_a_failure() -> None:
    with sandboxed_child("decode", SoundRequest(media="/nowhere", into="/"), [], MediaSettings()) as child:
        os.kill(child.process.pid, signal.SIGKILL)
        with pytest.raises(DecodeFailed, match="SIGKILL"):
            list(child.reports())


def test_child_has_no_secrets_and_a_deleted_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for parsers")
    request = SoundRequest(media="/nowhere", into=str(tmp_path))
    with sandboxed_child("decode", request, [], MediaSettings()) as child:
        process = Path(f"/proc/{child.process.pid}")
        assert b"SECRET_KEY" not in (process / "environ").read_bytes()
        assert b"nowhere" not in (process / "cmdline").read_bytes()
        assert str((process / "cwd").readlink()).endswith("(deleted)")
        assert os.getpgid(child.process.pid) == child.process.pid
        assert list(scratch.iterdir()) == []


WAITS = """
import sys, time
from pathlib import Path
from shared.domain.span import span
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import MediaSettings
frames = PyAvDecoder(MediaSettings()).frames(Path(sys.argv[1]), [span(0, 60)], per_second=10, longest_side=640)
next(frames)
print(Path(f"/proc/self/task/{__import__('os').getpid()}/children").read_text(), flush=True)
time.sleep(60)
"""


def test_child_dies_with_its_parent_and_leaves_no_files(tmp_path: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(20), picture=Picture(20, width=640, height=480))
    scratch = tmp_path / "killed"
    scratch.mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(media)],
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(scratch), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)
    assert list(scratch.iterdir()) == []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

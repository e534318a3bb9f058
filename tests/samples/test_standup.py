"""The committed sample meeting matches its references and the script that generates it."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import webvtt

from samples.gallery import FRAMES_PER_SECOND, film
from samples.references import write_references
from samples.sound import Meeting, Turn, synthesize_meeting
from samples.story import CAST, STORY
from shared.domain.emotion import Emotion
from shared.domain.span import Span, span
from shared.ports.media import SAMPLE_RATE, Floats

SAMPLES = Path(__file__).parents[2] / "samples"
REFERENCE: dict[str, Any] = json.loads((SAMPLES / "standup.json").read_text())
UTTERANCES: list[dict[str, Any]] = REFERENCE["utterances"]
NAMES = list(CAST)


@pytest.fixture(scope="module")
def sound() -> Floats:
    with av.open(str(SAMPLES / "standup.mp4")) as movie:
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        pieces = [part.to_ndarray()[0] for frame in movie.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate(pieces)


def level(sound: Floats, turn: Span) -> float:
    """Loudness in dBFS."""
    piece = sound[round(turn.start * SAMPLE_RATE) : round(turn.end * SAMPLE_RATE)]
    return float(10 * np.log10(np.mean(piece.astype(np.float64) ** 2) + 1e-12))


def test_reference_matches_the_script() -> None:
    expected = [(line.speaker, line.emotion, line.text) for line in STORY]
    assert [(u["speaker"], Emotion(u["emotion"]), u["text"]) for u in UTTERANCES] == expected


def test_script_has_all_emotions_and_four_to_six_turns_per_speaker() -> None:
    assert {line.emotion for line in STORY} == set(Emotion)
    assert all(4 <= sum(line.speaker == name for line in STORY) <= 6 for name in NAMES)


def test_video_is_small_and_has_the_duration_of_the_reference(sound: Floats) -> None:
    assert (SAMPLES / "standup.mp4").stat().st_size < 2_500_000
    assert 60 <= REFERENCE["duration"] <= 90
    assert len(sound) / SAMPLE_RATE == pytest.approx(REFERENCE["duration"], abs=0.1)
    with av.open(str(SAMPLES / "standup.mp4")) as movie:
        picture = movie.streams.video[0]
        assert (picture.codec_context.name, picture.width, picture.height) == ("h264", 640, 360)
        assert picture.frames / FRAMES_PER_SECOND == pytest.approx(REFERENCE["duration"], abs=0.1)


def test_every_turn_has_speech_and_pauses_are_silent(sound: Floats) -> None:
    for before, after in pairwise(UTTERANCES):
        assert level(sound, span(before["start"], before["end"])) > -40
        # 50 ms margin at both ends: the codec spreads audio slightly.
        assert level(sound, span(before["end"] + 0.05, after["start"] - 0.05)) < -50


def test_rttm_stm_and_captions_match_the_json() -> None:
    turns = [(u["speaker"], u["start"], u["end"], u["text"]) for u in UTTERANCES]
    rttm = [line.split() for line in (SAMPLES / "standup.rttm").read_text().splitlines()]
    assert [(f[7], float(f[3]), round(float(f[3]) + float(f[4]), 3)) for f in rttm] == [turn[:3] for turn in turns]
    stm = [line.split(maxsplit=5) for line in (SAMPLES / "standup.stm").read_text().splitlines()]
    assert [(f[2], float(f[3]), float(f[4]), f[5]) for f in stm] == turns
    cues = webvtt.read(str(SAMPLES / "standup.vtt"))
    assert [(c.voice, c.start, c.end, c.text) for c in cues] == [
        (t[0], f"00:{t[1] // 60:02.0f}:{t[1] % 60:06.3f}", f"00:{t[2] // 60:02.0f}:{t[2] % 60:06.3f}", t[3])
        for t in turns
    ]


def test_face_of_every_speaker_is_detected() -> None:
    """The tile of the speaker shows a face of at least 80 pixels in the middle of every turn."""
    cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))
    expected_tiles = {
        round((u["start"] + u["end"]) / 2 * FRAMES_PER_SECOND): NAMES.index(u["speaker"]) for u in UTTERANCES
    }
    found = 0
    with av.open(str(SAMPLES / "standup.mp4")) as movie:
        for number, frame in enumerate(movie.decode(video=0)):
            if number in expected_tiles:
                row, column = divmod(expected_tiles[number], 2)
                grey = frame.to_ndarray(format="gray")[row * 180 : row * 180 + 180, column * 320 : column * 320 + 320]
                faces = cascade.detectMultiScale(np.ascontiguousarray(grey), 1.1, 4, minSize=(80, 80))
                found += len(faces) == 1
    assert found >= 0.9 * len(expected_tiles)


def test_active_speaker_has_a_frame_and_a_moving_mouth() -> None:
    """Two frames of a synthetic meeting: in silence, and while Dev speaks."""
    silence = np.zeros(SAMPLE_RATE, dtype=np.float32)
    voices = dict.fromkeys(NAMES, silence) | {"Dev": silence.copy()}
    voices["Dev"][SAMPLE_RATE // 2 :] = 0.1
    line = next(line for line in STORY if line.speaker == "Dev")
    frames = list(film(Meeting((Turn(line, span(0.5, 1.0)),), voices["Dev"], voices)))
    assert len(frames) == FRAMES_PER_SECOND
    for number, name in enumerate(NAMES):
        corner = frames[-1][number // 2 * 180 + 1, number % 2 * 320 + 1]
        assert (corner[1] > 200 and corner[0] < 120) == (name == "Dev")
        before, after = (
            frame[number // 2 * 180 :, number % 2 * 320 :][110:140, 140:180] for frame in (frames[0], frames[-1])
        )
        moved = float(np.abs(before.astype(int) - after.astype(int)).mean())
        assert (moved > 20) == (name == "Dev")


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed (apt-get install flite)")
def test_script_generates_the_committed_references(tmp_path: Path) -> None:
    meeting = synthesize_meeting(STORY)
    write_references(meeting, tmp_path, "standup", round(len(meeting.sound) / SAMPLE_RATE, 3))
    for suffix in ("json", "rttm", "stm", "vtt"):
        assert (tmp_path / f"standup.{suffix}").read_text() == (SAMPLES / f"standup.{suffix}").read_text()

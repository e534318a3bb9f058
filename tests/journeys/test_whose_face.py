"""A rendered meeting of two tiles: each speaker gets the face whose mouth moves with the voice."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from shared.domain.recording import Probe
from shared.domain.span import Span, span
from shared.domain.speech import Speech, Utterance
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.faces_cascade import Cascade
from shared.engines.settings import MediaSettings
from shared.pipeline.artifacts import DetectedFaces, SpeechMap, open_faces
from shared.pipeline.faces_of_speakers import FacesOfSpeakers
from shared.pipeline.stage import Workspace
from shared.pipeline.track_faces import TrackFaces
from shared.ports.engines import FaceClip
from shared.ports.media import Bytes
from tests.synthetic_faces import blank, draw_face

RATE = 12  # frames per second
TURN = 3.0  # seconds
TURNS = 4
TILES = {"left": 160, "right": 480}


def speaker_at(time: float) -> str:
    return list(TILES)[int(time // TURN) % 2]


@cache
def draw_tile(sway: int, mouth: float) -> Bytes:
    pixels = blank(360, 320)
    draw_face(pixels, 160 + sway, 180, 130, mouth=mouth)
    return pixels


def draw_meeting(path: Path) -> None:
    """Render a tone for each turn; the speaker's mouth opens and closes, and every face sways slightly."""
    chance = np.random.default_rng(3)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "20"})
        picture.width, picture.height, picture.pix_fmt = 640, 360, "yuv420p"
        sound = file.add_stream("aac", rate=16_000)
        for number in range(int(TURNS * TURN * RATE)):
            tiles = []
            for name in TILES:
                mouth = float(chance.choice([0.1, 0.5, 0.9])) if speaker_at(number / RATE) == name else 0.1
                tiles.append(draw_tile(int(chance.choice([-2, 0, 2])), mouth))
            file.mux(picture.encode(av.VideoFrame.from_ndarray(np.hstack(tiles), format="rgb24")))
        times = np.arange(int(TURNS * TURN * 16_000)) / 16_000
        tone = (0.3 * np.sin(2 * np.pi * np.where(times // TURN % 2, 220, 330) * times)).astype(np.float32)
        for first in range(0, len(tone), 1024):
            block = av.AudioFrame.from_ndarray(tone[None, first : first + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = 16_000, first
            file.mux(sound.encode(block))
        file.mux(sound.encode(None))
        file.mux(picture.encode(None))


@pytest.fixture(scope="module")
def detected(tmp_path_factory: pytest.TempPathFactory) -> DetectedFaces:
    folder = tmp_path_factory.mktemp("meeting")
    draw_meeting(folder / "meeting.mp4")
    (folder / "decode").mkdir()
    decoder = PyAvDecoder(MediaSettings())
    probe: Probe = decoder.decode(
        folder / "meeting.mp4", folder / "decode", tracks=(), separate_channels=False, progress=lambda _: None
    )
    inputs = {"decode": folder / "decode", "detect_speech": folder}
    work = Workspace("track_faces", inputs, folder, lambda _: None)
    (folder / "decode" / "decode.json").write_text(probe.model_dump_json())
    work.write(SpeechMap(tracks=(Speech(spans=(span(0, TURNS * TURN),)),)), "detect_speech")
    TrackFaces(folder / "meeting.mp4", decoder, Cascade(threads=1)).run(work, ())
    return open_faces(folder)


def turn(number: int) -> Utterance:
    piece: Span = span(number * TURN, (number + 1) * TURN)
    speaker = speaker_at(piece.middle)
    return Utterance(index=number, speaker=speaker, text="a tone", words=(), start=piece.start, end=piece.end)


def test_both_faces_are_tracked_from_start_to_end(detected: DetectedFaces) -> None:
    assert len(detected.frames) == pytest.approx(TURNS * TURN * 4, abs=2)
    assert set(detected.summary.tiles) - {-1} == {0, 1}
    assert len(detected.faces) >= 1.9 * len(detected.frames)


def test_each_speaker_is_assigned_the_face_that_talks(detected: DetectedFaces) -> None:
    turns = [turn(number) for number in range(TURNS)]
    faces = FacesOfSpeakers(detected, turns)
    for each in turns:
        found = faces.face_of(each)
        assert isinstance(found, FaceClip), found
        centres = detected.faces["left"] + detected.faces["width"] / 2
        theirs = (np.abs(centres - TILES[each.speaker]) < 40) & (detected.faces["time"] >= each.start)
        np.testing.assert_array_equal(found.crops, detected.crops[theirs & (detected.faces["time"] < each.end)])
        assert found.margin > 0.4
        assert found.coverage > 0.9

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import DecodeFailed, Interrupted, UndertoneError
from shared.domain.recording import Probe, VideoProbe
from shared.domain.span import Span, span
from shared.domain.speech import Speech
from shared.domain.stage_event import StageEvent, StageProgressed, StageWarned
from shared.pipeline.artifacts import DetectedFaces, SpeechMap, open_faces
from shared.pipeline.stage import Workspace
from shared.pipeline.track_faces import NoFaces, TrackFaces
from shared.ports.engines import FaceBox
from shared.ports.media import Frame, Progress, TrackFile
from tests.synthetic_faces import blank, draw_face

VIDEO = VideoProbe(width=640, height=360, frames_per_second=25)
FACE = FaceBox(150, 110, 100, 130, 0.9)


@dataclass
class ScriptedVideo:
    """A fake decoder whose frames show one drawn talking face; it may fail at a given time."""

    breaks_at: float = np.inf
    error: UndertoneError = field(default_factory=lambda: DecodeFailed("the picture ends here"))
    requested: list[Sequence[Span]] = field(default_factory=list)
    name: str = "scripted"
    fingerprint: str = "scripted/1"

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[TrackFile],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        raise NotImplementedError

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        self.requested.append(within)
        for piece in within:
            for time in np.arange(piece.start, piece.end, 1 / per_second):
                if time >= self.breaks_at:
                    raise self.error
                pixels = blank()
                draw_face(pixels, 200, 180, 100, mouth=float(time * 4 % 2))
                yield Frame(float(time), pixels)


class OneFace:
    name = "one-face"
    fingerprint = "one-face/1"

    def detect(self, frame: Frame) -> Sequence[FaceBox]:
        return [FACE]


def run(
    tmp_path: Path, stage: TrackFaces | NoFaces, *, speech: Sequence[Span] = (), video: VideoProbe | None = VIDEO
) -> tuple[DetectedFaces, list[StageEvent]]:
    events: list[StageEvent] = []
    folders = {name: tmp_path / name for name in ("decode", "detect_speech", "out")}
    for folder in folders.values():
        folder.mkdir()
    probe = Probe(duration=60, sample_rate=16_000, container="mp4", audio_codec="aac", video=video)
    tracks = tuple(Speech(track=str(number), spans=(piece,)) for number, piece in enumerate(speech))
    (folders["decode"] / "decode.json").write_text(probe.model_dump_json())
    (folders["detect_speech"] / "detect_speech.json").write_text(SpeechMap(tracks=tracks).model_dump_json())
    stage.run(Workspace("track_faces", folders, folders["out"], events.append), ())
    return open_faces(folders["out"]), events


def track(decoder: ScriptedVideo) -> TrackFaces:
    return TrackFaces(Path("meeting.mp4"), decoder, OneFace())


def test_faces_are_detected_only_during_speech(tmp_path: Path) -> None:
    """The union of the speech of all tracks; pauses of less than a second are included."""
    decoder = ScriptedVideo()
    detected, events = run(tmp_path, track(decoder), speech=[span(10, 12), span(1, 3), span(2, 4), span(4.5, 5)])
    assert decoder.requested == [(span(1, 5), span(10, 12))]
    assert len(detected.frames) == detected.summary.frames == 24
    assert len(detected.faces) == len(detected.crops[:]) == detected.summary.faces == 24
    assert [event.fraction for event in events if isinstance(event, StageProgressed)][-1] == pytest.approx(11.75 / 12)


def test_each_detection_has_a_crop_and_measurements(tmp_path: Path) -> None:
    detected, _ = run(tmp_path, track(ScriptedVideo()), speech=[span(0, 2), span(9, 11)])
    assert detected.crops[:].shape == (16, 48, 48)
    np.testing.assert_allclose(detected.faces["left"], 150)
    np.testing.assert_allclose(detected.faces["score"], 0.9)
    assert (detected.faces["sharpness"] > 0).all()
    assert detected.summary.tiles == (0, 0)  # two tracks because of the long gap, but one tile


def test_mouth_motion_needs_the_previous_frame(tmp_path: Path) -> None:
    detected, _ = run(tmp_path, track(ScriptedVideo()), speech=[span(0, 2), span(9, 11)])
    assert np.flatnonzero(np.isnan(detected.faces["mouth_motion"])).tolist() == [0, 8]
    assert (detected.faces["mouth_motion"][1:8] > 0.05).all()


@pytest.mark.parametrize(
    ("video", "speech", "reason"), [(None, [span(0, 2)], "no_video"), (None, [], "no_video"), (VIDEO, [], None)]
)
def test_recording_is_not_decoded_without_video_or_speech(
    tmp_path: Path, video: VideoProbe | None, speech: list[Span], reason: str | None
) -> None:
    decoder = ScriptedVideo()
    detected, _ = run(tmp_path, track(decoder), speech=speech, video=video)
    assert detected.summary.reason == reason
    assert (len(detected.frames), len(detected.faces), len(detected.crops[:])) == (0, 0, 0)
    assert decoder.requested == []


@pytest.mark.parametrize(("breaks_at", "frames", "reason"), [(1.0, 4, None), (0.0, 0, "decode_failed")])
def test_damaged_video_gives_a_warning_and_keeps_earlier_faces(
    tmp_path: Path, breaks_at: float, frames: int, reason: str | None
) -> None:
    detected, events = run(tmp_path, track(ScriptedVideo(breaks_at)), speech=[span(0, 3)])
    assert (len(detected.frames), detected.summary.reason) == (frames, reason)
    assert [event.code for event in events if isinstance(event, StageWarned)] == ["decode_failed"]


def test_interruption_is_not_caught(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, track(ScriptedVideo(1.0, Interrupted("stopped"))), speech=[span(0, 3)])


def test_no_faces_has_no_needs(tmp_path: Path) -> None:
    stage = NoFaces("off")
    detected, _ = run(tmp_path, stage)
    assert detected.summary.reason == "off"
    assert len(detected.faces) == 0
    assert (stage.spec.needs, stage.engine) == ((), "off")
    assert stage.identity() != NoFaces("no_video").identity()


def test_identity_changes_with_decoder() -> None:
    one, other = track(ScriptedVideo()), track(ScriptedVideo(fingerprint="scripted/2"))
    assert one.identity() != other.identity()
    assert one.engine == "one-face"

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import TooLittleSpeech
from shared.domain.recording import TrackProbe
from shared.domain.span import Span, span
from shared.domain.stage_event import StageEvent, StageProgressed
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.crosstalk import without_crosstalk
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.stage import Workspace
from shared.ports.media import Audio, Floats
from tests.fakes import ScriptedDetector, probe, silent, tone, workspace, write_audio

TRACKS = (TrackProbe(name="Ana", seconds=4), TrackProbe(name="Ben", seconds=4))


def found(work: Workspace) -> SpeechMap:
    return SpeechMap.model_validate_json((work.folder / "detect_speech.json").read_bytes())


def test_speech_is_detected_in_the_mix(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    work = workspace(tmp_path, "detect_speech", events, decode=probe(4))
    write_audio(work, tone(4))
    stage = DetectSpeech(ScriptedDetector([span(0, 1), span(2, 3)]))
    stage.run(work, ())
    assert [track.track for track in found(work).tracks] == [None]
    assert found(work).tracks[0].spans == (span(0, 1), span(2, 3))
    assert [event.fraction for event in events if isinstance(event, StageProgressed)] == [1.0]
    assert stage.identity() == {"detector": "1", "crosstalk": 1}
    assert stage.engine == "scripted-vad"


def test_crosstalk_is_removed_from_a_track(tmp_path: Path) -> None:
    ana = np.concatenate([tone(2, level=0.3), tone(2, level=0.01)])
    ben = np.concatenate([tone(2, level=0.01), tone(2, level=0.3)])
    work = workspace(tmp_path, "detect_speech", decode=probe(4, tracks=TRACKS))
    write_audio(work, ana + ben, ana, ben)
    DetectSpeech(ScriptedDetector([span(0, 4)])).run(work, ())
    assert [(track.track, track.spans) for track in found(work).tracks] == [
        ("Ana", (span(0, 2),)), ("Ben", (span(2, 4),)),
    ]  # fmt: skip


@pytest.mark.parametrize(("share", "enough"), [(0.7, True), (0.8, False)])
def test_a_recording_needs_the_requested_share_of_speech(tmp_path: Path, share: float, enough: bool) -> None:
    """Speech of several tracks at one time counts once."""
    level = tone(2, level=0.3)
    work = workspace(tmp_path, "detect_speech", decode=probe(4, tracks=TRACKS))
    write_audio(work, np.concatenate([level, level]), np.concatenate([level, level]), np.concatenate([level, level]))
    stage = DetectSpeech(ScriptedDetector([span(0, 3)]), share)
    if enough:
        stage.run(work, ())
        assert {track.track for track in found(work).tracks} == {"Ana", "Ben"}
    else:
        with pytest.raises(TooLittleSpeech, match="0.75"):
            stage.run(work, ())
    assert stage.identity() != DetectSpeech(ScriptedDetector([])).identity()


def pieces(samples: Floats, other: Floats) -> list[Span]:
    return list(without_crosstalk(span(0, 2), Audio(samples), [Audio(other)]))


def test_overlapping_speech_is_kept_in_both_tracks() -> None:
    assert pieces(tone(2, level=0.3), tone(2, level=0.2)) == [span(0, 2)]


def test_shorter_track_counts_as_silent_after_its_end() -> None:
    assert pieces(tone(2), tone(1)) == [span(0, 2)]
    assert pieces(silent(0), tone(2)) == []


def test_empty_recording_has_empty_audio(tmp_path: Path) -> None:
    (tmp_path / "mix.f32").touch()
    assert open_audio(tmp_path).duration == 0.0

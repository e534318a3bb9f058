from __future__ import annotations

from pathlib import Path

import numpy as np

from shared.domain.recording import TrackProbe
from shared.domain.span import Span, span
from shared.domain.stage_event import StageEvent, StageProgressed
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.crosstalk import without_crosstalk
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.stage import Workspace
from shared.ports.media import Audio, Floats
from tests.fakes import ScriptedDetector, leave_sound, probe, silent, tone, workspace

TRACKS = (TrackProbe(name="Ana", seconds=4), TrackProbe(name="Ben", seconds=4))


def found(work: Workspace) -> SpeechMap:
    return SpeechMap.model_validate_json((work.folder / "detect_speech.json").read_bytes())


def test_the_mix_is_searched_once(tmp_path: Path) -> None:
    heard: list[StageEvent] = []
    work = workspace(tmp_path, "detect_speech", heard, decode=probe(4))
    leave_sound(work, tone(4))
    stage = DetectSpeech(ScriptedDetector([span(0, 1), span(2, 3)]))
    stage.run(work, ())
    assert [track.track for track in found(work).tracks] == [None]
    assert found(work).tracks[0].spans == (span(0, 1), span(2, 3))
    assert [event.fraction for event in heard if isinstance(event, StageProgressed)] == [1.0]
    assert stage.identity() == {"detector": "1", "crosstalk": 1}
    assert stage.engine == "scripted-vad"


def test_a_voice_that_bleeds_into_another_track_is_not_its_speech(tmp_path: Path) -> None:
    ana = np.concatenate([tone(2, level=0.3), tone(2, level=0.01)])
    ben = np.concatenate([tone(2, level=0.01), tone(2, level=0.3)])
    work = workspace(tmp_path, "detect_speech", decode=probe(4, tracks=TRACKS))
    leave_sound(work, ana + ben, ana, ben)
    DetectSpeech(ScriptedDetector([span(0, 4)])).run(work, ())
    assert [(track.track, track.spans) for track in found(work).tracks] == [
        ("Ana", (span(0, 2),)), ("Ben", (span(2, 4),)),
    ]  # fmt: skip


def pieces(samples: Floats, other: Floats) -> list[Span]:
    return list(without_crosstalk(span(0, 2), Audio(samples), [Audio(other)]))


def test_two_who_speak_at_once_both_keep_their_speech() -> None:
    assert pieces(tone(2, level=0.3), tone(2, level=0.2)) == [span(0, 2)]


def test_a_shorter_track_is_silent_after_its_end() -> None:
    assert pieces(tone(2), tone(1)) == [span(0, 2)]
    assert pieces(silent(0), tone(2)) == []


def test_an_empty_recording_has_empty_audio(tmp_path: Path) -> None:
    (tmp_path / "mix.f32").touch()
    assert open_audio(tmp_path).duration == 0.0

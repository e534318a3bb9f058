"""The stage that finds speech: in the mix, or in every participant's own track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from shared.domain.event import Event, StageProgressed
from shared.domain.recording import Probe, TrackProbe
from shared.domain.span import Span, span
from shared.pipeline.artifacts import SpeechMap
from shared.pipeline.detect_speech import DetectSpeech
from shared.pipeline.stage import Workspace
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress


@dataclass(frozen=True, slots=True)
class LoudnessDetector:
    """One span from the first loud sample to the last."""

    name: str = "loudness"
    fingerprint: str = "loudness-1"

    def detect(self, audio: Audio, progress: Progress) -> Sequence[Span]:
        progress(1.0)
        loud = np.flatnonzero(np.abs(audio.samples) > 0.01)
        return [span(loud[0] / SAMPLE_RATE, (loud[-1] + 1) / SAMPLE_RATE)] if len(loud) else []


def voice(start: float, end: float, level: float = 0.5) -> Floats:
    samples = np.zeros(4 * SAMPLE_RATE, dtype="<f4")
    samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] = level
    return samples


def detected(folder: Path, told: list[Event], mix: Floats, **tracks: Floats) -> SpeechMap:
    mix.tofile(folder / "mix.f32")
    for number, samples in enumerate(tracks.values()):
        samples.tofile(folder / f"track-{number}.f32")
    names = tuple(TrackProbe(name=name, seconds=len(samples) / SAMPLE_RATE) for name, samples in tracks.items())
    probe = Probe(duration=4.0, sample_rate=SAMPLE_RATE, container="wav", audio_codec="pcm", tracks=names)
    (folder / "decode.json").write_text(probe.model_dump_json())
    stage = DetectSpeech(LoudnessDetector())
    stage.run(Workspace(stage.name, {"decode": folder}, folder, told.append), ())
    return SpeechMap.model_validate_json((folder / "detect_speech.json").read_bytes())


def test_without_tracks_the_mix_is_searched(tmp_path: Path) -> None:
    (found,) = detected(tmp_path, [], voice(1, 2)).tracks
    assert found.track is None
    assert found.spans == (span(1, 2),)


def test_a_silent_recording_has_no_speech(tmp_path: Path) -> None:
    (found,) = detected(tmp_path, [], np.zeros(0, dtype="<f4")).tracks
    assert found.spans == ()


def test_every_track_is_searched_on_its_own(tmp_path: Path) -> None:
    told: list[Event] = []
    tracks = detected(tmp_path, told, voice(0, 4), Ana=voice(0, 1), Ben=voice(2, 3), Cem=voice(0, 0)).tracks
    assert [(track.track, track.spans) for track in tracks] == [
        ("Ana", (span(0, 1),)), ("Ben", (span(2, 3),)), ("Cem", ()),
    ]  # fmt: skip
    assert [event.fraction for event in told if isinstance(event, StageProgressed)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_voice_that_bleeds_into_another_track_is_not_its_speech(tmp_path: Path) -> None:
    ana, ben = voice(0, 4), voice(0, 4, level=0.05)
    ben[2 * SAMPLE_RATE : 3 * SAMPLE_RATE] = 0.4
    tracks = detected(tmp_path, [], ana, Ana=ana, Ben=ben).tracks
    assert tracks[0].spans == (span(0, 4),)
    assert tracks[1].spans == (span(2, 3),)


def test_another_detector_makes_another_artifact() -> None:
    stage = DetectSpeech(LoudnessDetector())
    assert stage.engine == "loudness"
    assert stage.identity() != DetectSpeech(LoudnessDetector(fingerprint="loudness-2")).identity()

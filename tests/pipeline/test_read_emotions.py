from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from shared.domain.emotion import (
    EMOTIONS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Modality,
    ModalityReading,
    ModalityStatus,
    Sentiment,
    SentimentReading,
    SentimentScores,
)
from shared.domain.recording import Probe, TrackProbe
from shared.domain.speech import Transcription, Utterance
from shared.domain.stage_event import StageEvent, StageWarned
from shared.pipeline.artifacts import Readings, Turns, Utterances
from shared.pipeline.read_emotions import ReadEmotions
from shared.pipeline.stage import Workspace
from shared.pipeline.track_faces import NoFaces
from shared.ports.engines import UtteranceClip
from shared.ports.media import SAMPLE_RATE, Progress

NEUTRAL = EmotionScores({emotion: float(emotion is Emotion.NEUTRAL) for emotion in EMOTIONS})
CALM = SentimentScores({sentiment: float(sentiment is Sentiment.NEUTRAL) for sentiment in Sentiment})
OK = ModalityReading(status=ModalityStatus.OK, scores=NEUTRAL)
OFF = ModalityReading(status=ModalityStatus.OFF)


def reading(**modalities: ModalityReading) -> EmotionReading:
    return EmotionReading(
        label=Emotion.NEUTRAL,
        confidence=1,
        scores=NEUTRAL,
        sentiment=SentimentReading(label=Sentiment.NEUTRAL, scores=CALM),
        modalities={Modality(name): found for name, found in modalities.items()},
    )


@dataclass
class ScriptedReader:
    """A fake reader that returns the same modalities for every utterance, and records its input."""

    modalities: dict[str, ModalityReading] = field(default_factory=lambda: {"text": OK, "voice": OK, "face": OFF})
    shown: list[UtteranceClip] = field(default_factory=list)
    slice: Sequence[UtteranceClip] = ()
    name: str = "scripted"
    fingerprint: str = "scripted/1"

    def read(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Sequence[EmotionReading]:
        self.shown = list(conversation)
        self.slice = conversation[1:]
        return [reading(**self.modalities) for _ in conversation]


def run(tmp_path: Path, reader: ScriptedReader, *, tracks: Sequence[str] = ()) -> tuple[Readings, list[StageEvent]]:
    """Ana, then Ben, one second each; the samples of the mix are 0 and those of track N are N + 1."""
    folders = {name: tmp_path / name for name in ("decode", "transcribe", "diarize", "compose", "track_faces", "out")}
    for folder in folders.values():
        folder.mkdir()
    events: list[StageEvent] = []

    def at(stage: str) -> Workspace:
        return Workspace(stage, folders, folders["out" if stage == "read_emotions" else stage], events.append)

    for number, name in enumerate(["mix", *(f"track-{n}" for n in range(len(tracks)))]):
        np.full(2 * SAMPLE_RATE, number, "<f4").tofile(folders["decode"] / f"{name}.f32")
    probes = tuple(TrackProbe(name=name, seconds=2) for name in tracks)
    at("decode").write(Probe(duration=2, sample_rate=48_000, container="wav", audio_codec="pcm", tracks=probes))
    at("transcribe").write(Transcription(words=(), language="de"))
    at("diarize").write(Turns(turns=(), names={"S1": "Ana", "S2": "Ben"}))
    words = [Utterance(index=n, speaker=f"S{n + 1}", text="hello", words=(), start=n, end=n + 1) for n in range(2)]
    at("compose").write(Utterances(utterances=tuple(words)))
    NoFaces("no_video").run(at("track_faces"), ())
    ReadEmotions(reader).run(at("read_emotions"), ())
    return Readings.model_validate_json((folders["out"] / "read_emotions.json").read_bytes()), events


def test_every_utterance_is_read_with_its_audio(tmp_path: Path) -> None:
    reader = ScriptedReader()
    readings, events = run(tmp_path, reader)
    assert len(readings.readings) == 2
    assert [clip.utterance.speaker for clip in reader.shown] == ["S1", "S2"]
    assert [(clip.audio.start, clip.audio.duration) for clip in reader.shown] == [(0, 1), (1, 1)]
    assert [(clip.face, clip.language) for clip in reader.shown] == [("no_video", "de")] * 2
    assert [clip.utterance.index for clip in reader.slice] == [1]
    assert events == []


@pytest.mark.parametrize(
    ("tracks", "levels"), [([], [0, 0]), (["Ana", "Ben"], [1, 2]), (["Ben", "Ana"], [2, 1]), (["Ben"], [0, 1])]
)
def test_audio_is_taken_from_the_speakers_track(tmp_path: Path, tracks: list[str], levels: list[int]) -> None:
    reader = ScriptedReader()
    run(tmp_path, reader, tracks=tracks)
    assert [float(clip.audio.samples.mean()) for clip in reader.shown] == levels


def test_modalities_with_readings_are_listed_as_used(tmp_path: Path) -> None:
    unavailable = ModalityReading(status=ModalityStatus.UNAVAILABLE, reason="low_snr")
    readings, events = run(tmp_path, ScriptedReader({"face": OFF, "voice": unavailable, "text": OK}))
    assert readings.used == (Modality.TEXT,)
    assert events == []


def test_failed_modality_gives_one_warning(tmp_path: Path) -> None:
    failed = ModalityReading(status=ModalityStatus.FAILED, reason="engine_failed")
    readings, events = run(tmp_path, ScriptedReader({"text": OK, "voice": failed, "face": OFF}))
    assert readings.used == (Modality.TEXT,)
    (warning,) = events
    assert isinstance(warning, StageWarned)
    assert warning.code == "modality_failed"
    assert "voice" in warning.message
    assert "engine_failed" in warning.message


def test_identity_changes_with_the_reader() -> None:
    assert ReadEmotions(ScriptedReader()).identity() != ReadEmotions(ScriptedReader(fingerprint="other")).identity()
    assert ReadEmotions(ScriptedReader()).engine == "scripted"

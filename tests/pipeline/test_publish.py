from __future__ import annotations

from pathlib import Path

from shared.domain.emotion import Modality
from shared.domain.job import Job, JobOptions, Source
from shared.domain.recording import VideoProbe
from shared.domain.speech import Transcription
from shared.domain.stage_event import StageWarned
from shared.domain.transcript import Provenance, Transcript
from shared.domain.value import Value
from shared.pipeline.annotate import StageRecord
from shared.pipeline.artifacts import Readings, Turns, Utterances
from shared.pipeline.decode import Decode
from shared.pipeline.publish import Publish
from tests.fakes import ScriptedDecoder, probe, reading, utterance, workspace

JOB = Job(id="job", recording=Source(name="a.mp4", sha256="a" * 64))


def published(tmp_path: Path, readings: Readings) -> Transcript:
    inputs: dict[str, Value] = {
        "decode": probe(10, video=VideoProbe(width=64, height=48, frames_per_second=10), warnings=("It breaks off.",)),
        "diarize": Turns(turns=(), names={"S2": "Ben"}),
        "transcribe": Transcription(words=(), language="en"),
        "compose": Utterances(utterances=(utterance(0, 1, 2, "S2"), utterance(1, 3, 5), utterance(2, 6, 7, "S2"))),
        "read_emotions": readings,
    }
    work = workspace(tmp_path, "publish", [], **inputs)
    for name in inputs:
        warned = StageWarned(stage=name, code="x", message="It breaks off.")
        record = StageRecord(provenance=Provenance(stage=name, engine="e", seconds=1.0), warnings=(warned,))
        (work.inputs[name] / "record.json").write_text(record.model_dump_json())
    stage = Publish(JOB)
    stage.run(work, ())
    assert stage.identity() != Publish(JOB.model_copy(update={"id": "other"})).identity()
    return Transcript.model_validate_json((work.folder / "transcript.json").read_bytes())


def test_transcript_combines_the_outputs_of_all_stages(tmp_path: Path) -> None:
    readings = Readings(readings=(reading(joy=0.9), reading(fear=0.8), reading()), used=(Modality.TEXT,))
    made = published(tmp_path, readings)
    assert [(s.id, s.name, s.talk_seconds, s.utterances) for s in made.speakers] == [
        ("S2", "Ben", 2.0, 2), ("S1", "Speaker 2", 2.0, 1),
    ]  # fmt: skip
    assert [str(u.emotion.label) for u in made.utterances if u.emotion][:2] == ["joy", "fear"]
    assert [p.stage for p in made.provenance] == ["decode", "diarize", "transcribe", "compose", "read_emotions"]
    assert made.warnings == ("It breaks off.",), "duplicate warnings are removed"
    assert made.recording.has_video
    assert made.disclosure.modalities == (Modality.TEXT,)
    assert made.name_of("S2") == "Ben"
    assert made.name_of("S9") == "S9"


def test_transcript_without_readings_is_published(tmp_path: Path) -> None:
    made = published(tmp_path, Readings(readings=(), used=()))
    assert [u.emotion for u in made.utterances] == [None, None, None]
    assert not made.disclosure.biometric


def test_decode_forwards_warnings_of_the_decoder(tmp_path: Path) -> None:
    events: list[object] = []
    work = workspace(tmp_path, "decode", events)  # type: ignore[arg-type]
    job = JOB.model_copy(update={"tracks": (Source(name="Ana", sha256="b" * 64),)})
    stage = Decode(ScriptedDecoder(found=probe(1, warnings=("It breaks off.",))), job, Path("a.mp4"), (Path("b.wav"),))
    stage.run(work, ())
    assert [event.message for event in events if isinstance(event, StageWarned)] == ["It breaks off."]
    other = job.model_copy(update={"options": JobOptions(separate_channels=True)})
    assert stage.identity() != Decode(stage.decoder, other, Path("a.mp4"), (Path("b.wav"),)).identity()
    assert stage.engine == "scripted-decoder"

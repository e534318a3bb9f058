from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.emotion import Modality
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.recording import VideoProbe
from shared.domain.speech import Transcription
from shared.domain.stage_event import StageWarned
from shared.domain.transcript import Provenance, Transcript, joined_turns
from shared.domain.value import Value
from shared.pipeline.annotate import StageRecord
from shared.pipeline.artifacts import Readings, Turns, Utterances
from shared.pipeline.decode import Decode
from shared.pipeline.publish import Publish, published_turns, speakers_of
from tests.fakes import ScriptedDecoder, probe, reading, turn, utterance, workspace

JOB = Job(id="job", recording=Source(name="a.mp4", sha256="a" * 64))

# S1 has words but no turn, S3 has a turn but no words, and the recording ends after ten seconds.
TURNS = (turn("S2", 6, 12, 0.9), turn("S2", 1.0004, 3.5), turn("S3", 3, 4, 0.5), turn("S3", 10, 11), turn("S2", 5, 5))


def published(tmp_path: Path, readings: Readings) -> Transcript:
    inputs: dict[str, Value] = {
        "decode": probe(10, video=VideoProbe(width=64, height=48, frames_per_second=10), warnings=("It breaks off.",)),
        "diarize": Turns(turns=TURNS, names={"S2": "Ben", "S3": "Cy"}),
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
        ("S2", "Ben", 6.5, 2), ("S1", "Speaker 2", 2.0, 1), ("S3", "Cy", 1.0, 0),
    ]  # fmt: skip
    assert [str(u.emotion.label) for u in made.utterances if u.emotion][:2] == ["joy", "fear"]
    assert [p.stage for p in made.provenance] == ["decode", "diarize", "transcribe", "compose", "read_emotions"]
    assert made.warnings == ("It breaks off.",), "duplicate warnings are removed"
    assert made.recording.has_video
    assert made.disclosure.modalities == (Modality.TEXT,)
    assert made.names["S2"] == "Ben"
    assert [(one.speaker, one.start, one.end, one.confidence) for one in made.turns] == [
        ("S2", 1, 3.5, 1.0), ("S3", 3, 4, 0.5), ("S1", 3, 5, None), ("S2", 6, 10, 0.9),
    ]  # fmt: skip


SPANS = st.tuples(st.sampled_from(["S1", "S2", "S3", "S4"]), st.floats(0, 90), st.floats(0, 30))


@given(
    st.lists(SPANS, max_size=10), st.lists(SPANS, max_size=10), st.floats(0, 60).map(lambda seconds: round(seconds, 3))
)
def test_published_turns_are_in_order_inside_the_recording_and_of_listed_speakers(
    diarized: list[tuple[str, float, float]], said: list[tuple[str, float, float]], duration: float
) -> None:
    turns = [turn(speaker, start, start + length) for speaker, start, length in diarized]
    utterances = [utterance(n, start, start + length, speaker) for n, (speaker, start, length) in enumerate(said)]
    made = published_turns(turns, utterances, duration)
    assert [one.start for one in made] == sorted(one.start for one in made)
    assert all(0 <= one.start < one.end <= duration for one in made)
    speakers = {one.id: one for one in speakers_of(utterances, made, {})}
    assert {one.speaker for one in made} <= set(speakers)
    assert {one.speaker for one in utterances} <= set(speakers)
    talked = {
        speaker: sum(span.duration for span in spans)
        for speaker, spans in joined_turns((one.speaker, one) for one in made).items()
    }
    for speaker, one in speakers.items():
        assert one.talk_seconds == pytest.approx(talked.get(speaker, 0.0), abs=1e-3)
        assert one.utterances == sum(other.speaker == speaker for other in utterances)


def test_transcript_without_readings_is_published(tmp_path: Path) -> None:
    made = published(tmp_path, Readings(readings=(), used=()))
    assert [u.emotion for u in made.utterances] == [None, None, None]
    assert not made.disclosure.biometric


def test_decode_forwards_warnings_of_the_decoder(tmp_path: Path) -> None:
    events: list[object] = []
    work = workspace(tmp_path, "decode", events)  # type: ignore[arg-type]
    job = JOB.model_copy(update={"tracks": (Track(name="Ana", sha256="b" * 64),)})
    stage = Decode(ScriptedDecoder(found=probe(1, warnings=("It breaks off.",))), job, Path("a.mp4"), (Path("b.wav"),))
    stage.run(work, ())
    assert [event.message for event in events if isinstance(event, StageWarned)] == ["It breaks off."]
    other = job.model_copy(update={"options": JobOptions(separate_channels=True)})
    assert stage.identity() != Decode(stage.decoder, other, Path("a.mp4"), (Path("b.wav"),)).identity()
    assert stage.engine == "scripted-decoder"

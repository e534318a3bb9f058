"""`undertone clips`: corrected emotions become clips that the trainer reads."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.trainer.datasets.clips import read_clip_corpus
from services.trainer.datasets.lines import read_lines
from services.trainer.datasets.voices import load_sound
from services.trainer.labels import NUMBER
from shared.domain.edit import SetEmotion, SetText
from shared.domain.emotion import Emotion
from shared.domain.job_blobs import recording_key, transcript_key
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.exports.document import render_json
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.settings import StorageSettings
from shared.infra.storage_factory import open_blob_store
from shared.ports.media import SAMPLE_RATE
from tests.editing import edited, planned
from tests.exports.sample import transcript
from tests.fakes import reading, utterance
from tests.service_fakes import ONE_STAGE, held, new_job

SAMPLE = Path(__file__).parents[2] / "samples" / "standup.mp4"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STORAGE__FOLDER", str(tmp_path / "state"))
    monkeypatch.setenv("DATABASE__URL", "")
    (tmp_path / "state").mkdir()
    return tmp_path


def meeting(*, speaker: str) -> Transcript:
    one = utterance(0, 2.0, 4.5, speaker, "We lost it").model_copy(update={"emotion": reading(sadness=0.6)})
    return transcript((one, utterance(1, 5.0, 6.0, speaker)))


def add(database: Database, made: Transcript, emotion: Emotion, *, media: bool) -> str:
    job_id = SqlJobStore(database).add("default", new_job(ONE_STAGE)).id
    made = made.model_copy(update={"job_id": job_id})
    blobs = open_blob_store(StorageSettings(), database)
    blobs.put("default", transcript_key(job_id), [render_json(made, emotion=True)])
    if media:
        blobs.put("default", recording_key(job_id), [SAMPLE.read_bytes()])
    work = SqlWorkStore(database)
    work.publish(held(work, job_id, "publish"), seconds=1)
    operations = (SetEmotion(utterance=0, emotion=emotion), SetText(utterance=0, text="Corrected, words"))
    entry = AuditEntry(
        tenant="default", at=datetime.now(UTC), key_id=None, action="transcript.corrected", subject=job_id
    )
    changes, shown = planned(made, *operations), edited(made, *operations)
    SqlCorrectionStore(database).add("default", job_id, changes, after=0, before=made, shown=shown, entry=entry)
    return job_id


def test_the_trainer_reads_corrected_emotions_with_text_and_sound(state: Path) -> None:
    database = open_database(f"sqlite:///{state / 'state' / 'undertone.db'}")
    SqlKeyStore(database).ensure_tenant("default")
    with_media = add(database, meeting(speaker="S1"), Emotion.JOY, media=True)
    without = add(database, meeting(speaker="S2"), Emotion.FEAR, media=False)
    database.close()
    result = CliRunner().invoke(app, ["clips", "-o", str(state / "out")])
    assert result.exit_code == 0, result.output
    found = {clip.dialogue: clip for clip in read_clip_corpus(state / "out", "csv")}
    assert {name: clip.label for name, clip in found.items()} == {
        with_media: NUMBER[Emotion.JOY],
        without: NUMBER[Emotion.FEAR],
    }
    assert {clip.text for clip in found.values()} == {"Corrected, words"}
    assert len(load_sound(found[with_media].path)) == 2.5 * SAMPLE_RATE
    assert not found[without].path.exists()
    lines = read_lines(state / "out" / "clips.csv", "csv")
    assert {(line.text, line.emotions) for line in lines} == {
        ("Corrected, words", (NUMBER[Emotion.JOY],)),
        ("Corrected, words", (NUMBER[Emotion.FEAR],)),
    }
    with (state / "out" / "clips.csv").open(newline="") as file:
        assert {(row["start"], row["end"]) for row in csv.DictReader(file)} == {("2.000", "4.500")}
    only = CliRunner().invoke(app, ["clips", without, "-o", str(state / "one")])
    assert only.exit_code == 0 and len((state / "one" / "clips.csv").read_text().splitlines()) == 2

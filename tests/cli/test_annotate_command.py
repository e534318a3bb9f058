"""`undertone annotate` in this process, with a platform transcript instead of slow speech recognition."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from services.worker.stage_factory import Inputs, assemble
from shared.domain.emotion import Modality
from shared.domain.error import Interrupted, UndertoneError
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.transcript import Transcript
from shared.engines.catalog import Setup
from shared.exports.document import render_json
from shared.exports.formats import FORMATS
from shared.pipeline.stage import Stage
from tests.exports.sample import transcript

SAMPLES = Path(__file__).parents[2] / "samples"
SAMPLE, CAPTIONS = SAMPLES / "standup.mp4", SAMPLES / "standup.vtt"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["annotate", str(SAMPLE), *map(str, arguments)], env={"COLUMNS": "140"})


def test_the_platforms_words_are_used(cache: Path, tmp_path: Path) -> None:
    done = run("--transcript", CAPTIONS, "--modalities", "text,voice", "--cache", cache, "-o", tmp_path)
    assert done.exit_code == 0, done.output
    made = Transcript.model_validate_json((tmp_path / "standup.json").read_bytes())
    assert [speaker.name for speaker in made.speakers] == ["Ana", "Ben", "Carl", "Dev"]
    assert made.utterances[0].text.startswith("Good morning everyone.")
    assert all(u.emotion is not None for u in made.utterances)
    assert {p.engine for p in made.provenance} >= {"platform-transcript"}
    assert made.disclosure.modalities == (Modality.TEXT, Modality.VOICE)
    assert (tmp_path / "standup.vtt").is_file()
    assert "Good morning everyone." in done.output
    assert "perceived" in done.output


def test_standard_output_contains_only_the_format(cache: Path) -> None:
    done = run("--transcript", CAPTIONS, "--modalities", "text,voice", "--cache", cache, "--format", "json", "-q")
    assert json.loads(done.stdout)["schema_version"] == 2


def test_without_modalities_there_are_words_and_no_emotion(cache: Path) -> None:
    done = run("--transcript", CAPTIONS, "--modalities", "none", "--cache", cache)
    assert done.exit_code == 0, done.output
    assert "perceived " not in done.output.split("Perceived emotion")[0]


def test_the_captioned_video_never_overwrites_the_recording(cache: Path, tmp_path: Path) -> None:
    arguments = ("--transcript", CAPTIONS, "--modalities", "text,voice", "--cache", cache)
    done = run(*arguments, "--no-burn", "--format", "mp4", "-o", tmp_path)
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == ["standup.captioned.mp4"]


def test_an_interrupted_run_explains_how_to_resume(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("services.cli.annotate"), "run_pipeline", stop)
    with_cache, without = run("-q", "--cache", cache), run("-q")
    assert isinstance(with_cache.exception, Interrupted)
    assert "resumes where it stopped" in (with_cache.exception.hint or "")
    assert isinstance(without.exception, Interrupted)
    assert "--cache" in (without.exception.hint or "")


LINES = "Ana: Good morning everyone.\n\nBen: I am so sad that we lost the customer!\nWhat now?\nAna: We go on.\n"


@pytest.mark.parametrize("name", ["meeting.txt", "meeting.vtt", "meeting.json"])
def test_a_transcript_alone_is_annotated(tmp_path: Path, name: str) -> None:
    text = {
        "meeting.txt": LINES,
        "meeting.vtt": CAPTIONS.read_text(),
        "meeting.json": render_json(transcript(), emotion=True).decode(),
    }
    (tmp_path / name).write_text(text[name])
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["annotate", str(tmp_path / name), "-o", str(out), "--format", ",".join(FORMATS)], env={"COLUMNS": "140"}
    )
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == sorted(f"meeting.{form.suffix}" for form in FORMATS.values())
    made = Transcript.model_validate_json((out / "meeting.json").read_bytes())
    assert (made.recording.name, made.recording.container, made.recording.has_video) == (name, "text", False)
    assert [one.stage for one in made.provenance] == ["transcribe", "diarize", "compose", "read_emotions"]
    assert made.disclosure.modalities == (Modality.TEXT,) and not made.disclosure.biometric
    for utterance in made.utterances:
        assert utterance.emotion is not None and utterance.emotion.modalities[Modality.TEXT].status == "ok"
        others = [utterance.emotion.modalities[one] for one in (Modality.VOICE, Modality.FACE)]
        assert [(one.status, one.reason) for one in others] == [("unavailable", "no_recording")] * 2
    assert made.recording.duration == pytest.approx(max(one.end for one in made.utterances), abs=0.001)
    if name != "meeting.txt":
        assert made.warnings == ()
        return
    assert made.warnings == ("The transcript has no times: they are estimated from the length of the text.",)
    names = made.names
    assert [(names[one.speaker], one.text) for one in made.utterances] == [
        ("Ana", "Good morning everyone."),
        ("Ben", "I am so sad that we lost the customer!"),
        ("Ben", "What now?"),
        ("Ana", "We go on."),
    ]
    assert made.utterances[1].emotion is not None and made.utterances[1].emotion.label == "sadness"


@pytest.mark.parametrize(
    ("more", "named"), [(("--format", "mp4", "-o", "out"), "video"), (("--transcript", str(CAPTIONS)), "transcript")]
)
def test_a_transcript_alone_has_no_video_and_no_second_transcript(
    tmp_path: Path, more: tuple[str, ...], named: str
) -> None:
    (tmp_path / "meeting.txt").write_text(LINES)
    done = CliRunner().invoke(app, ["annotate", str(tmp_path / "meeting.txt"), *more])
    assert isinstance(done.exception, UndertoneError) and named in done.exception.message


def stages(setup: Setup, options: JobOptions, inputs: Inputs | None = None, **sources: object) -> dict[str, Stage]:
    source = Source(name="a.mp4", sha256="a" * 64)
    job = Job.model_validate({"id": "job", "recording": source, "options": options, **sources})
    return {stage.spec.name: stage for stage in assemble(job, inputs or Inputs(SAMPLE), setup)}


def test_a_job_gets_the_stages_that_fit_it(setup: Setup) -> None:
    plain = stages(setup, JobOptions())
    assert list(plain)[-1] == "publish"
    assert plain["diarize"].engine == "pyannet+ge2e"
    assert plain["track_faces"].engine == "cascade"
    track = Track(name="Ana", sha256="b" * 64)
    apart = stages(setup, JobOptions(), Inputs(SAMPLE, tracks=(SAMPLE,)), tracks=(track,))
    assert apart["diarize"].engine == "tracks"
    assert stages(setup, JobOptions(separate_channels=True))["diarize"].engine == "tracks"
    assert stages(setup, JobOptions(modalities=()))["track_faces"].engine == "off"


def test_without_permitted_weights_a_modality_uses_others_or_is_skipped(setup: Setup) -> None:
    strict = Setup(setup.engines.model_copy(update={"commercial_only": True}), setup.media)
    reader = stages(strict, JobOptions())["read_emotions"]
    assert "text=" in reader.engine
    assert "voice=voice-cnn-emodb" in reader.engine
    assert "face=" not in reader.engine

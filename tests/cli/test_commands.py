"""Small commands, run in this process with Typer's test runner."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app, explain, main
from shared.domain.error import EngineUnavailable, InvalidRequest, NoAudio
from shared.engines.catalog import SLOTS

runner = CliRunner()


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINES__MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def test_doctor_lists_engines_in_use_and_hints_for_missing_ones() -> None:
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert set(found) == set(SLOTS)
    assert {row["engine"]: row["status"] for row in found["asr"]} == {
        "faster-whisper": "missing", "pocketsphinx:5-en-us": "used",
    }  # fmt: skip
    assert found["asr"][0]["hint"] == "undertone models fetch faster-whisper:base"


def test_doctor_explains_the_ban_in_plain_words() -> None:
    result = runner.invoke(app, ["doctor"])
    assert "AI Act" in result.stdout
    assert "asr=pocketsphinx" in result.stdout


def test_doctor_fails_if_a_slot_has_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINES__COMMERCIAL_ONLY", "true")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["face"][0]["status"] == "missing"


def test_models_are_listed_with_their_licence() -> None:
    result = runner.invoke(app, ["models", "list", "--json"])
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["voice_cnn"]["commercial_use"] is False
    assert rows["faster-whisper:small"]["where"] == "undertone models fetch faster-whisper:small"
    assert "CC BY-NC-SA" in runner.invoke(app, ["models", "list"]).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["late-fusion"], "late-fusion is trained on clips"),
        (["text", "--layout", "csv"], "text accepts no clip options"),
        (["voice", "--freeze", "convolutions"], "voice accepts neither"),
        (["speech"], "There is no network 'speech' to train; there is text,"),
    ],
)
def test_options_of_a_training_run_depend_on_its_data(arguments: list[str], said: str, tmp_path: Path) -> None:
    result = runner.invoke(app, ["train", *arguments, "--data", str(tmp_path)])
    assert isinstance(result.exception, InvalidRequest)
    assert said in result.exception.message


def test_an_unreachable_source_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINES__HUB_URL", "http://127.0.0.1:9")
    result = runner.invoke(app, ["models", "fetch", "faster-whisper:tiny"])
    assert isinstance(result.exception, EngineUnavailable)
    assert "resumes the download" in (result.exception.hint or "")


def test_an_optional_fetch_says_in_one_line_that_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINES__FETCH", "never")
    result = runner.invoke(app, ["models", "fetch", "--optional"])
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("faster-whisper:base is not fetched, because ENGINES__FETCH is `never`.")
    assert isinstance(runner.invoke(app, ["models", "fetch"]).exception, EngineUnavailable)


def test_nothing_is_exported_where_no_weights_are(tmp_path: Path) -> None:
    result = runner.invoke(app, ["models", "export", str(tmp_path / "weights.tar")])
    assert isinstance(result.exception, EngineUnavailable)
    assert result.exception.hint == "undertone models fetch faster-whisper:base"


@pytest.mark.weights
def test_whisper_is_exported_imported_and_used(whisper: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "weights.tar"
    assert runner.invoke(app, ["models", "export", str(archive), "faster-whisper:base"]).exit_code == 0
    monkeypatch.setenv("ENGINES__MODELS_DIR", str(tmp_path / "elsewhere"))
    assert "faster-whisper:base is in" in runner.invoke(app, ["models", "import", str(archive)]).stderr
    rows = json.loads(runner.invoke(app, ["models", "list", "--json"]).stdout)
    assert {row["name"]: row.get("source") for row in rows}["faster-whisper:base"] == "weights.tar"
    found = json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)["asr"]
    assert [(row["engine"], row["status"]) for row in found] == [
        ("faster-whisper:base", "used"), ("pocketsphinx:5-en-us", "ready"),
    ]  # fmt: skip


def test_an_error_has_a_message_a_code_and_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(NoAudio("The recording has no sound.", hint="Export it again.")) == 65
    printed = capsys.readouterr().err
    assert "[no_audio] The recording has no sound." in printed
    assert "→ Export it again." in printed


def test_the_program_exits_with_the_errors_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["undertone", "annotate", "nowhere.mp4"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 66


def test_invalid_options_are_rejected_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    recording = str(tmp_path / "a.wav")
    for arguments, code in (
        (["--engine", "asr=hal9000"], "invalid_request"),
        (["--engine", "brain=pocketsphinx"], "invalid_request"),
        (["--modalities", "smell"], "invalid_request"),
        (["--purpose", "recruitment"], "purpose_prohibited"),
        (["--engine", "asr=faster-whisper:small"], "engine_unavailable"),
        (["--speakers", "2", "--max-speakers", "3"], "invalid_request"),
        (["--format", "odt", "-o", str(tmp_path)], "invalid_request"),
    ):
        result = runner.invoke(app, ["annotate", recording, "-q", *arguments])
        assert getattr(result.exception, "code", None) == code, arguments

"""Tests of service startup: invalid settings and uncaught exceptions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from shared.domain.error import InvalidSetting
from shared.infra.settings import LogSettings, StorageSettings
from shared.infra.startup import JsonLines, report_error, setting_error

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, threading
from shared.infra.startup import run_service

def fail():
    raise ValueError("transcript text")

def main():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    print("a library prints this", file=sys.stderr)
    fail()

sys.exit(run_service(main))
"""


def run_program(program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if "__" not in name}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_uncaught_exceptions_are_logged_without_their_text() -> None:
    done = run_program(PROGRAM)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["thread.broke", "process.wrote", "process.broke"]
    assert lines[0]["error"] == lines[2]["error"] == "ValueError"
    assert lines[1]["text"] == "a library prints this"
    assert (done.stderr, done.returncode) == ("", 1)
    assert "transcript" not in done.stdout


def test_text_format_logs_text() -> None:
    done = run_program(PROGRAM, LOG__FORMAT="text")
    assert done.stderr == "a library prints this\n"
    assert "process.broke" in done.stdout and "{" not in done.stdout and "transcript" not in done.stdout


@pytest.mark.parametrize(("form", "starts"), [("text", "[invalid_setting] "), ("xml", '{"code"'), ("", '{"code"')])
def test_invalid_log_settings_are_reported_in_the_log_format(form: str, starts: str) -> None:
    done = run_program(PROGRAM, LOG__FORMAT=form, LOG__LEVEL="loud")
    assert done.returncode == InvalidSetting.exit_status
    assert done.stderr.startswith(starts) and "LOG__LEVEL: " in done.stderr and "loud" not in done.stderr


def test_invalid_setting_is_reported_by_variable_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE__RESERVE_MB", "a-secret")
    with pytest.raises(ValidationError) as raised:
        StorageSettings()
    message = setting_error(raised.value).message
    assert "STORAGE__RESERVE_MB: Input should be a valid integer" in message and "a-secret" not in message


def test_other_validation_errors_are_raised_again() -> None:
    class Answer(BaseModel):
        number: int

    with pytest.raises(ValidationError) as raised:
        Answer.model_validate({"number": "one"})
    with pytest.raises(ValidationError, match="Answer"):
        setting_error(raised.value)


def test_error_is_reported_as_text_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    error = InvalidSetting("The Redis URL is not set.", hint="Set REDIS__URL.")
    assert report_error(error, "text") == 78
    assert capsys.readouterr().err == "[invalid_setting] The Redis URL is not set.\n  → Set REDIS__URL.\n"
    assert report_error(error, "json") == 78
    line = json.loads(capsys.readouterr().err)
    assert (line["code"], line["hint"], line["level"]) == ("invalid_setting", "Set REDIS__URL.", "error")


def test_json_lines_splits_text_into_lines_across_writes() -> None:
    lines: list[str] = []
    stream = JsonLines(lines.append)
    for part in ("one", "\n\nt", "wo\nthree\n", "rest"):
        stream.write(part)
    assert lines == ["one", "two", "three"] and stream.writable()


def test_default_log_format_is_json() -> None:
    assert LogSettings().format == "json"

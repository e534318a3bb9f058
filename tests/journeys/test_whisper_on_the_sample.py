"""The sample meeting with Whisper base, which `auto` selects when its weights are here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.main import app
from shared.domain.transcript import Transcript

SAMPLES = Path(__file__).parents[2] / "samples"
MAX_ERROR_RATE = 0.015


@pytest.mark.weights
def test_the_sample_has_at_most_three_wrong_words_and_the_right_speakers(whisper: None, tmp_path: Path) -> None:
    arguments = [str(SAMPLES / "standup.mp4"), "--modalities", "none", "-o", str(tmp_path), "-q"]
    done = CliRunner().invoke(app, ["annotate", *arguments])
    assert done.exit_code == 0, done.output
    made = Transcript.model_validate_json((tmp_path / "standup.json").read_bytes())
    assert "faster-whisper:base" in [record.engine for record in made.provenance]
    references = ["--rttm", str(SAMPLES / "standup.rttm"), "--stm", str(SAMPLES / "standup.stm")]
    scored = CliRunner().invoke(app, ["score", str(tmp_path / "standup.json"), *references, "--json"])
    rates = json.loads(scored.stdout)
    assert rates["wer"] <= MAX_ERROR_RATE
    assert rates["cpwer"] <= MAX_ERROR_RATE
    assert rates["speakers"]["speakers"] == rates["speakers"]["reference_speakers"] == 4

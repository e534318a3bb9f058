"""`undertone evaluate` on small labelled data, through the serving engines."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from services.cli.main import app
from services.trainer.evaluate_channels import LENGTHS, MIXED, error_rates
from services.trainer.evaluate_speakers import equal_error_rate
from services.trainer.metrics import calibration_error, classification_metrics
from services.trainer.speaker.channels import CHANNELS
from shared.domain.error import InvalidRequest
from tests.trainer.test_datasets import MELD, sound

KEYS = {"n", "accuracy", "weighted_f1", "macro_f1", "uar", "ece", "per_class", "confusion", "majority"}


def evaluate(*arguments: str | Path) -> dict[str, object]:
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_text_metrics_are_printed_as_one_json_object(tmp_path: Path) -> None:
    (tmp_path / "meld.csv").write_text(MELD)
    found = evaluate("emotion", "--modality", "text", "--data", tmp_path / "meld.csv", "--layout", "meld")
    assert found.keys() >= KEYS
    assert found["n"] == 6
    assert found == evaluate("emotion", "--modality", "text", "--data", tmp_path, "--layout", "meld"), (
        "same as a folder"
    )


def test_comments_with_several_labels_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise\n")
    (tmp_path / "dev.tsv").write_text("I love this so much\t3\ta\nhm\t3,4\tb\nThis is so sad\t5\tc\n")
    found = evaluate("emotion", "--modality", "text", "--data", tmp_path / "dev.tsv", "--layout", "goemotions")
    assert (found["n"], found["accuracy"]) == (2, 1.0)


def test_voices_and_faces_are_evaluated_from_tables(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav", 2.0)
    sound(tmp_path / "b.wav", 0.4)
    (tmp_path / "voices.csv").write_text("path,label,speaker\na.wav,anger,Ana\nb.wav,joy,Ben\n")
    found = evaluate("emotion", "--modality", "voice", "--data", tmp_path / "voices.csv", "--layout", "csv")
    assert found.keys() >= KEYS
    assert found["n"] == 2
    assert found["unavailable"] == 2, "a steady tone has no pauses, and half a second is too short"
    cv2.imwrite(str(tmp_path / "f.png"), np.random.default_rng(0).integers(0, 255, (48, 48, 3)).astype(np.uint8))
    (tmp_path / "faces.csv").write_text("path,label\nf.png,fear\n")
    found = evaluate("emotion", "--modality", "face", "--data", tmp_path / "faces.csv", "--layout", "csv")
    assert (found["n"], found["unavailable"]) == (1, 0)


@pytest.mark.parametrize("layout", ["ravdess", "nothing"])
def test_a_layout_of_another_modality_is_rejected(tmp_path: Path, layout: str) -> None:
    with pytest.raises(InvalidRequest, match="There is no layout"):
        CliRunner().invoke(
            app, ["evaluate", "emotion", "--modality", "text", "--data", str(tmp_path), "--layout", layout],
            catch_exceptions=False,
        )  # fmt: skip


def test_speaker_evaluation_requires_folders_with_files_of_one_voice(tmp_path: Path) -> None:
    for speaker in ("ana", "ben"):
        sound(tmp_path / speaker / "1.wav", 2.0)
    with pytest.raises(InvalidRequest, match="two files or more"):
        evaluate("speakers", "--data", tmp_path)
    sound(tmp_path / "ana" / "2.wav", 3.0)
    found = evaluate("speakers", "--data", tmp_path)
    assert (found["speakers"], found["same_pairs"], found["different_pairs"]) == (2, 1, 2)
    assert isinstance(found["eer"], float) and 0 <= found["eer"] <= 1


def test_channels_are_evaluated_for_held_out_readers_by_length_of_turn(tmp_path: Path) -> None:
    """Of nine readers, the first and the last are held out."""
    for number in range(1, 10):
        sound(tmp_path / "speech" / "librispeech_speakers" / f"{number}-1-1.wav", 9.0)
    found = evaluate("channels", "--data", tmp_path)
    assert found["speakers"] == 2
    rates = found["eer"]
    assert isinstance(rates, dict) and rates.keys() == {*CHANNELS, MIXED}
    assert all(
        len(by_length) == len(LENGTHS) and all(0 <= rate <= 1 for rate in by_length.values())
        for by_length in rates.values()
    )
    shown = CliRunner().invoke(app, ["evaluate", "channels", "--data", str(tmp_path)], catch_exceptions=False)
    assert "G.711" in shown.output and "0.5 s" in shown.output


def test_mixed_channels_pair_only_turns_of_different_channels_and_moments() -> None:
    """The voices of one speaker agree within a channel; across channels they resemble the other speaker more."""
    speakers, channels, places = (np.array([*part]) for part in ("aaaabbbb", "xxyyxxyy", (0, 1, 0, 1, 0, 1, 0, 1)))
    voices = np.eye(4, dtype=np.float32)[[0, 0, 1, 1, 1, 1, 0, 0]]
    assert error_rates(voices, speakers, channels, places) == {"x": 0, "y": 0, MIXED: 1}
    moments = np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 2, 3, 2, 3]]
    assert error_rates(moments, speakers, channels, places)[MIXED] == 0.5, "one moment in two channels is no pair"


def test_equal_error_rates_match_hand_computed_values() -> None:
    assert equal_error_rate(np.array([0.9, 0.8]), np.array([0.1, 0.2]))[0] == 0
    assert equal_error_rate(np.array([0.9, 0.3]), np.array([0.1, 0.5]))[0] == 0.5
    assert equal_error_rate(np.array([0.9, 0.8, 0.7, 0.2]), np.array([0.1, 0.3, 0.4, 0.75]))[0] == 0.25


def test_metrics_match_hand_computed_values() -> None:
    """Two of three are right; recall and F1 average over the present classes only."""
    logits = np.full((3, 7), -20.0)
    logits[[0, 1, 2], [0, 0, 3]] = 0.0
    found = classification_metrics(logits, np.array([0, 3, 3]))
    assert (found["n"], found["accuracy"], found["majority"]) == (3, 0.6667, 0.6667)
    assert found["uar"] == 0.75
    assert found["macro_f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["confusion"][3][0] == 1
    assert found["ece"] == pytest.approx(1 / 3, abs=1e-3)


def test_the_calibration_error_is_zero_when_confidence_equals_accuracy() -> None:
    assert calibration_error(np.array([True, True, True, False]), np.full(4, 0.75)) == 0
    assert calibration_error(np.array([False, False]), np.array([0.99, 0.99])) == pytest.approx(0.99)

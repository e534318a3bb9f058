"""The references of `undertone score`: selection of the recording, and rejection of invalid files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.domain.error import InvalidRequest, InvalidTranscript, NotFound
from tests.cli.score_harness import RTTM, TWO, metrics, run, transcript


def test_transcript_of_version_1_is_scored(tmp_path: Path) -> None:
    fields = json.loads(transcript(TWO).model_dump_json(exclude={"turns"})) | {"schema_version": 1}
    assert json.loads(run(tmp_path, json.dumps(fields), "--json"))["der"] == 0


def test_a_uem_without_speech_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ref.uem").write_text("call NA 20 30\n")
    with pytest.raises(InvalidTranscript, match="no speech"):
        run(tmp_path, transcript(TWO, duration=30), "--uem", "ref.uem")


def test_a_recording_is_selected_by_name_in_a_reference_of_several(tmp_path: Path) -> None:
    other = "SPEAKER other 1 0 10 <NA> <NA> ana <NA> <NA>\nSPKR-INFO call 1 <NA> <NA> <NA> unknown ana <NA> <NA>\n"
    assert metrics(tmp_path, transcript(TWO), rttm=other + RTTM)["der"] == 0
    with pytest.raises(InvalidRequest, match=r"other, third.*call or hyp"):
        run(tmp_path, transcript(TWO), rttm=(other + RTTM).replace(" call ", " third "))


@pytest.mark.parametrize(
    ("rttm", "complaint"),
    [
        ("", "no line"),
        ("SPEAKER call 1 0.0\n", "Line 1 of ref.rttm"),
        (RTTM + "SPEAKER call 1 zero 1 <NA> <NA> x <NA> <NA>\n", "Line 3 of ref.rttm"),
        ("SPEAKER call 1 5 -1 <NA> <NA> x <NA> <NA>\n", "Line 1 of ref.rttm"),
        ("SPEAKER call 1 nan 1 <NA> <NA> x <NA> <NA>\n", "Line 1 of ref.rttm"),
    ],
)
def test_an_invalid_reference_is_reported_with_its_line(tmp_path: Path, rttm: str, complaint: str) -> None:
    with pytest.raises(InvalidTranscript, match=complaint):
        run(tmp_path, transcript(TWO), rttm=rttm)


def test_a_reference_without_words_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidTranscript, match="no words"):
        run(tmp_path, transcript(TWO), "--stm", "ref.stm", stm="call 1 ana 0 4\ncall 1 ana 5 6 ...\n")


@pytest.mark.parametrize("hyp", ["", "not json", "[]", '{"job_id": 1}'])
def test_a_file_that_is_not_a_transcript_is_rejected(tmp_path: Path, hyp: str) -> None:
    with pytest.raises(InvalidTranscript, match=r"hyp\.json is not an Undertone transcript"):
        run(tmp_path, hyp)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="ref\\.none"):
        run(tmp_path, transcript(TWO), "--stm", "ref.none")
    (tmp_path / "ref.folder").mkdir()
    with pytest.raises(InvalidRequest, match="cannot be read"):
        run(tmp_path, transcript(TWO), "--stm", "ref.folder")
    (tmp_path / "ref.latin").write_bytes("MÉO069".encode("latin-1"))
    with pytest.raises(InvalidTranscript, match="UTF-8"):
        run(tmp_path, transcript(TWO), "--stm", "ref.latin")


def test_a_file_without_intended_emotions_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ref.json").write_text('{"utterances": [{"start": 0, "end": 1, "emotion": "bored"}]}')
    with pytest.raises(InvalidTranscript, match="no intended emotions"):
        run(tmp_path, transcript(TWO), "--emotions", "ref.json")

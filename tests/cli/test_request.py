from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.request import grant_modalities, make_job, read_engines, read_modalities, read_tracks, read_vocabulary
from shared.domain.emotion import Modality
from shared.domain.error import EmptyFile, InvalidRequest, ModalityNotAllowed, NotFound, PurposeProhibited
from shared.domain.governance import Purpose
from shared.domain.job import JobOptions
from shared.infra.settings import GovernanceSettings

EVERYTHING = tuple(Modality)


def test_modalities_have_a_fixed_order() -> None:
    assert read_modalities("face, text") == (Modality.TEXT, Modality.FACE)
    assert read_modalities("none") == ()
    assert read_modalities(None) is None


@pytest.mark.parametrize("words", ["smell", "text,,voice", ""])
def test_an_unknown_modality_is_an_error(words: str) -> None:
    with pytest.raises(InvalidRequest, match="--modalities"):
        read_modalities(words)


def test_engines_keep_their_option() -> None:
    assert read_engines(["asr=faster-whisper:small"]) == {"asr": "faster-whisper:small"}


def test_a_vocabulary_keeps_its_spelling() -> None:
    assert read_vocabulary(" Sara, Zoë O'Neill ,, x-ray") == ("Sara", "Zoë O'Neill", "x-ray")
    assert read_vocabulary(None) == read_vocabulary("") == ()


@pytest.mark.parametrize("words", ["<|endoftext|>", "Sara\nMarc", "a" * 65, ",".join(f"w{n}" for n in range(101))])
def test_an_invalid_vocabulary_term_is_rejected(words: str) -> None:
    """Special tokens of a recogniser among the terms would end its output."""
    with pytest.raises(InvalidRequest, match="--vocabulary accepts"):
        read_vocabulary(words)


@pytest.mark.parametrize("pair", ["asr", "asr=", "=pocketsphinx"])
def test_an_incomplete_engine_is_an_error(pair: str) -> None:
    with pytest.raises(InvalidRequest, match="--engine"):
        read_engines([pair])


def test_tracks_keep_their_order_and_may_contain_an_equals_sign_in_the_path() -> None:
    assert read_tracks(["Ben=b.wav", " Ana =take=2.wav"]) == [("Ben", Path("b.wav")), ("Ana", Path("take=2.wav"))]


@pytest.mark.parametrize("pairs", [["ana.wav"], ["=ana.wav"], ["Ana="], ["Ana=a.wav", "Ana=b.wav"]])
def test_a_track_without_a_name_or_with_a_duplicate_name_is_an_error(pairs: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        read_tracks(pairs)


def test_without_an_option_all_permitted_modalities_are_used() -> None:
    allowed = GovernanceSettings(modalities=(Modality.TEXT, Modality.VOICE))
    assert grant_modalities(None, None, allowed) == ((Modality.TEXT, Modality.VOICE), None)


def test_a_job_may_request_fewer_modalities_but_not_more() -> None:
    only_text = GovernanceSettings(modalities=(Modality.TEXT,))
    assert grant_modalities((), None, only_text) == ((), None)
    with pytest.raises(ModalityNotAllowed, match="face"):
        grant_modalities((Modality.FACE,), None, only_text)


@pytest.mark.parametrize("purpose", ["employee_monitoring", "recruitment", "education_assessment"])
def test_prohibited_purposes_get_text_only(purpose: str) -> None:
    with pytest.raises(PurposeProhibited, match="voice and face"):
        grant_modalities(None, purpose, GovernanceSettings(modalities=EVERYTHING))
    assert grant_modalities((Modality.TEXT,), purpose, GovernanceSettings(modalities=EVERYTHING))[1] == Purpose(purpose)


def test_a_deployment_can_require_a_purpose() -> None:
    strict = GovernanceSettings(modalities=EVERYTHING, require_purpose=True)
    with pytest.raises(InvalidRequest, match="purpose"):
        grant_modalities(None, None, strict)
    assert grant_modalities(None, "research", strict) == (EVERYTHING, Purpose.RESEARCH)
    with pytest.raises(InvalidRequest, match="purposes are research"):
        grant_modalities(None, "curiosity", strict)


def test_modalities_are_separated_by_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOVERNANCE__MODALITIES", "text, voice")
    assert GovernanceSettings().modalities == (Modality.TEXT, Modality.VOICE)


def test_equal_files_and_options_make_the_same_job(tmp_path: Path) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "copy.wav"
    for path in (first, second):
        path.write_bytes(b"RIFF")
    track = [("Ana", second)]
    job, inputs = make_job(first, track, second, JobOptions())
    assert job == make_job(first, track, second, JobOptions())[0]
    assert (job.tracks[0].name, job.recording.name) == ("Ana", "a.wav")
    assert (inputs.recording, inputs.tracks, inputs.platform_transcript) == (first, (second,), second)


def test_a_missing_or_empty_file_is_reported_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nowhere\.wav"):
        make_job(tmp_path / "nowhere.wav", [], None, JobOptions())
    (tmp_path / "empty.wav").touch()
    with pytest.raises(EmptyFile):
        make_job(tmp_path / "empty.wav", [], None, JobOptions())

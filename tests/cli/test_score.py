"""`undertone score` on transcripts whose errors are known by construction."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.cli.scoring import by_speaker, errors_with_speakers, normalise
from shared.domain.emotion import (
    Emotion,
)
from shared.exports.formats import FORMATS
from tests.cli.score_harness import RTTM, TWO, metrics, run, transcript
from tests.fakes import turn

SAMPLES = Path(__file__).parents[2] / "samples"


def test_a_perfect_transcript_scores_zero_with_any_speaker_names(tmp_path: Path) -> None:
    scores = metrics(tmp_path, transcript(TWO), "--stm", "ref.stm")
    assert (scores["der"], scores["wer"], scores["cpwer"]) == (0, 0, 0)
    assert scores["speakers"]["reference_speakers"] == scores["speakers"]["speakers"] == 2
    assert scores["words"]["reference_words"] == 8


def test_without_stm_the_word_scores_are_null(tmp_path: Path) -> None:
    scores = metrics(tmp_path, transcript(TWO))
    assert (scores["der"], scores["wer"], scores["cpwer"], scores["words"], scores["emotions"]) == (
        0,
        None,
        None,
        None,
        None,
    )


def test_der_is_missed_plus_false_alarm_plus_confusion_over_speech(tmp_path: Path) -> None:
    said = [("A", 1.0, 5.0, "x"), ("B", 5.0, 10.0, "x"), ("B", 10.0, 12.0, "x")]
    scores = metrics(tmp_path, transcript(said, duration=12.0))
    parts = scores["speakers"]
    assert (parts["missed_seconds"], parts["false_alarm_seconds"], parts["confusion_seconds"]) == (1, 2, 1)
    assert scores["der"] == pytest.approx(0.4)


def test_overlapped_speech_is_scored_for_both_speakers(tmp_path: Path) -> None:
    rttm = RTTM + "SPEAKER call 1 0 2 <NA> <NA> MÉO069 <NA> <NA>\n"
    scores = metrics(tmp_path, transcript(TWO), rttm=rttm)
    assert scores["speakers"]["missed_seconds"] == 2
    assert scores["speakers"]["speech_seconds"] == 12


def test_der_is_that_of_the_turns(tmp_path: Path) -> None:
    """Words leave out pauses and overlaps, so they say nothing exact about who speaks when."""
    turns = (turn("A", 0, 4), turn("B", 4, 9), turn("A", 8, 9))
    scores = metrics(tmp_path, transcript(TWO).model_copy(update={"turns": turns}))
    parts = scores["speakers"]
    assert (parts["missed_seconds"], parts["false_alarm_seconds"], parts["confusion_seconds"]) == (1, 1, 0)


def test_exported_rttm_has_no_errors_against_its_own_transcript(tmp_path: Path) -> None:
    hyp = transcript(TWO).model_copy(update={"turns": (turn("A", 0, 4), turn("B", 3, 8.5), turn("A", 6, 7))})
    rttm = FORMATS["rttm"].render(hyp, emotion=False).decode()
    assert metrics(tmp_path, hyp, rttm=rttm)["der"] == 0
    assert metrics(tmp_path, transcript(TWO), rttm=rttm)["der"] > 0


def test_a_speaker_who_overlaps_with_themselves_counts_once(tmp_path: Path) -> None:
    said = [*TWO, ("B", 5.0, 7.0, "sorry")]
    assert metrics(tmp_path, transcript(said))["der"] == 0


def test_turns_lost_at_the_end_count_even_if_the_transcript_is_shorter(tmp_path: Path) -> None:
    assert metrics(tmp_path, transcript(TWO[:1], duration=4.0))["speakers"]["missed_seconds"] == 6


def test_uem_limits_what_is_scored(tmp_path: Path) -> None:
    (tmp_path / "ref.uem").write_text("call NA 0.0 4.0\n")
    scores = metrics(tmp_path, transcript([("A", 0.0, 3.0, "x")]), "--uem", "ref.uem")
    assert (scores["der"], scores["speakers"]["speech_seconds"]) == (0.25, 4)


def test_a_collar_ignores_time_on_each_side_of_a_boundary(tmp_path: Path) -> None:
    near = transcript([("A", 0.0, 4.25, "x"), ("B", 4.25, 9.75, "x")])
    assert metrics(tmp_path, near)["der"] == pytest.approx(0.05)
    assert metrics(tmp_path, near, "--collar", "0.25")["der"] == 0


def test_wer_counts_words_and_cpwer_also_speakers(tmp_path: Path) -> None:
    said = [("A", 0.0, 4.0, "we lost a customer"), ("A", 4.0, 10.0, "I am sorry")]
    scores = metrics(tmp_path, transcript(said), "--stm", "ref.stm")
    assert scores["wer"] == pytest.approx(2 / 8)
    words = scores["words"]
    assert (words["substitutions"], words["deletions"], words["insertions"]) == (1, 1, 0)
    # One stream of 7 words against Ana's four: one wrong, three too many; the other speaker's four are missing.
    assert scores["cpwer"] == pytest.approx(1.0)


@pytest.mark.skipif(find_spec("meeteval") is None, reason="make check installs meeteval; it needs a C++ compiler")
@given(
    *[st.lists(st.tuples(st.sampled_from("ABC"), st.lists(st.sampled_from("uvw"), max_size=6)), max_size=5)] * 2,
)
def test_cpwer_equals_that_of_meeteval(truth: list[tuple[str, list[str]]], guess: list[tuple[str, list[str]]]) -> None:
    """With up to three speakers on each side, including missing and additional ones."""
    assume(any(words for _, words in truth))
    cp = import_module("meeteval.wer.wer.cp")
    streams = [
        {name: " ".join(words) for name, words in by_speaker(turns).items()} or {"": ""} for turns in (truth, guess)
    ]
    expected = cp.cp_word_error_rate(*streams)
    assert errors_with_speakers(by_speaker(truth), by_speaker(guess)) == expected.errors


def test_a_transcript_without_speech_misses_all_speech(tmp_path: Path) -> None:
    scores = metrics(tmp_path, transcript(()), "--stm", "ref.stm")
    assert (scores["der"], scores["wer"], scores["cpwer"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("I can’t — really, CAN'T!", "i can't really can't"),
        ("twenty-two 'quoted' words", "twenty two quoted words"),
        ("Ça va, Zoë? snake_case", "ça va zoë snake case"),
        ("…", ""),
    ],
)
def test_words_are_compared_in_lower_case_without_punctuation_except_apostrophes(written: str, plain: str) -> None:
    assert normalise(written) == plain


def test_intended_emotions_are_compared_by_overlapping_time(tmp_path: Path) -> None:
    turns = [
        {"start": 0.0, "end": 4.0, "emotion": "sadness", "text": "…"},
        {"start": 3.0, "end": 9.0, "emotion": "joy"},
        {"start": 20.0, "end": 22.0, "emotion": "joy"},
    ]
    (tmp_path / "ref.json").write_text(json.dumps({"utterances": turns, "duration": 22.0}))
    hyp = transcript([*TWO, ("A", 20.0, 21.0, "?")], emotions=(Emotion.SADNESS, Emotion.FEAR, None))
    emotions = metrics(tmp_path, hyp, "--emotions", "ref.json")["emotions"]
    assert emotions["confusion"] == {"joy": {"fear": 1, "nothing": 1}, "sadness": {"sadness": 1}}
    assert (emotions["accuracy"], emotions["turns"]) == (pytest.approx(1 / 3), 3)


def test_the_sample_meeting_agrees_with_its_own_references(tmp_path: Path) -> None:
    reference = json.loads((SAMPLES / "standup.json").read_text())
    turns = reference["utterances"]
    said = [(u["speaker"], u["start"], u["end"], u["text"]) for u in turns]
    hyp = transcript(said, duration=reference["duration"], emotions=[Emotion(u["emotion"]) for u in turns])
    rttm, stm = ((SAMPLES / f"standup.{suffix}").read_text() for suffix in ("rttm", "stm"))
    options = ("--stm", "ref.stm", "--emotions", str(SAMPLES / "standup.json"))
    scores = metrics(tmp_path, hyp, *options, rttm=rttm, stm=stm)
    assert (scores["der"], scores["wer"], scores["cpwer"], scores["emotions"]["accuracy"]) == (
        pytest.approx(0),
        0,
        0,
        1,
    )


def test_without_json_a_table_is_printed(tmp_path: Path) -> None:
    (tmp_path / "ref.json").write_text('{"utterances": [{"start": 0, "end": 4, "emotion": "joy"}]}')
    said = [("A", 0.0, 4.0, "we lost a customer"), TWO[1]]
    hyp = transcript(said, emotions=(Emotion.JOY, None))
    shown = run(tmp_path, hyp, "--stm", "ref.stm", "--emotions", "ref.json")
    for part in ("DER", "0.0%", "WER", "12.5%", "cpWER", "100.0%", "joy: joy 1"):
        assert part in shown
    assert "WER" not in run(tmp_path, hyp)

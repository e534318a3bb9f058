"""`undertone score` on transcripts whose errors are known by construction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.cli.score import score
from services.cli.scoring import by_speaker, errors_with_speakers, normalise
from shared.domain.emotion import (
    EMOTIONS,
    SENTIMENTS,
    Emotion,
    EmotionReading,
    EmotionScores,
    SentimentReading,
    SentimentScores,
)
from shared.domain.error import InvalidRequest, InvalidTranscript, NotFound, UndertoneError
from shared.domain.recording import Recording
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript, disclose
from shared.exports.formats import FORMATS
from tests.fakes import turn

APP = typer.Typer()
APP.command()(score)
SAMPLES = Path(__file__).parents[2] / "samples"

Said = tuple[str, float, float, str]
TWO: Sequence[Said] = (("A", 0.0, 4.0, "we lost the customer"), ("B", 4.0, 10.0, "I am so sorry"))
RTTM = """SPEAKER call 1 0.000 4.000 <NA> <NA> ana <NA> <NA>
SPEAKER call 1 4.000 6.000 <NA> <NA> MÉO069 <NA> <NA>
"""
STM = """;; made up
call 1 ana 0.0 4.0 <o,f0,female> We lost the customer.
call 1 MÉO069 4.0 10.0 I am so sorry!
"""


def transcript(said: Sequence[Said], *, duration: float = 10.0, emotions: Sequence[Emotion | None] = ()) -> Transcript:
    utterances = [
        Utterance(index=n, start=a, end=b, speaker=who, text=text, words=(), emotion=reading(e) if e else None)
        for n, ((who, a, b, text), e) in enumerate(zip(said, emotions or [None] * len(said), strict=True))
    ]
    return Transcript(
        job_id="1",
        recording=Recording(name="call.wav", sha256="0" * 64, duration=duration, has_video=False, container="wav"),
        language="en",
        speakers=(),
        utterances=tuple(utterances),
        provenance=(),
        disclosure=disclose(()),
    )


def reading(emotion: Emotion) -> EmotionReading:
    scores = EmotionScores({label: float(label is emotion) for label in EMOTIONS})
    mood = SentimentScores({label: float(label == "neutral") for label in SENTIMENTS})
    sentiment = SentimentReading(label=mood.label, scores=mood)
    return EmotionReading(label=emotion, confidence=1, scores=scores, sentiment=sentiment, modalities={})


def run(folder: Path, hyp: Transcript | str, *options: str, rttm: str = RTTM, stm: str = STM) -> str:
    """The output of the command; files are named after their option."""
    (folder / "hyp.json").write_text(hyp if isinstance(hyp, str) else hyp.model_dump_json(), encoding="utf-8")
    (folder / "ref.rttm").write_text(rttm, encoding="utf-8")
    (folder / "ref.stm").write_text(stm, encoding="utf-8")
    arguments = [str(folder / o) if o.startswith("ref.") else o for o in options]
    result = CliRunner().invoke(APP, [str(folder / "hyp.json"), "--rttm", str(folder / "ref.rttm"), *arguments])
    if isinstance(result.exception, UndertoneError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def metrics(folder: Path, hyp: Transcript, *options: str, rttm: str = RTTM, stm: str = STM) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(run(folder, hyp, "--json", *options, rttm=rttm, stm=stm))
    return scores


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


def test_transcript_of_version_1_is_scored(tmp_path: Path) -> None:
    fields = json.loads(transcript(TWO).model_dump_json(exclude={"turns"})) | {"schema_version": 1}
    assert json.loads(run(tmp_path, json.dumps(fields), "--json"))["der"] == 0


def test_a_speaker_who_overlaps_with_themselves_counts_once(tmp_path: Path) -> None:
    said = [*TWO, ("B", 5.0, 7.0, "sorry")]
    assert metrics(tmp_path, transcript(said))["der"] == 0


def test_turns_lost_at_the_end_count_even_if_the_transcript_is_shorter(tmp_path: Path) -> None:
    assert metrics(tmp_path, transcript(TWO[:1], duration=4.0))["speakers"]["missed_seconds"] == 6


def test_uem_limits_what_is_scored(tmp_path: Path) -> None:
    (tmp_path / "ref.uem").write_text("call NA 0.0 4.0\n")
    scores = metrics(tmp_path, transcript([("A", 0.0, 3.0, "x")]), "--uem", "ref.uem")
    assert (scores["der"], scores["speakers"]["speech_seconds"]) == (0.25, 4)


def test_a_uem_without_speech_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ref.uem").write_text("call NA 20 30\n")
    with pytest.raises(InvalidTranscript, match="no speech"):
        run(tmp_path, transcript(TWO, duration=30), "--uem", "ref.uem")


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
@settings(deadline=None)  # the first call imports meeteval
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


def test_a_file_without_intended_emotions_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "ref.json").write_text('{"utterances": [{"start": 0, "end": 1, "emotion": "bored"}]}')
    with pytest.raises(InvalidTranscript, match="no intended emotions"):
        run(tmp_path, transcript(TWO), "--emotions", "ref.json")


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

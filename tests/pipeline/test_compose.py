from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.span import span
from shared.domain.speech import SpeakerTurn, Speech, Transcription, Utterance, Word
from shared.pipeline.artifacts import SpeechMap, Turns, Utterances
from shared.pipeline.assign_speakers import assign_speakers, within_speech
from shared.pipeline.compose import MAX_SECONDS, PAUSE, Compose, compose
from tests.fakes import turn, word, workspace


def line(text: str, start: float = 0.0, step: float = 0.3, speaker: str | None = None) -> list[Word]:
    return [word(token, start + n * step, start + (n + 0.9) * step, speaker) for n, token in enumerate(text.split())]


def texts(utterances: list[Utterance]) -> list[str]:
    return [utterance.text for utterance in utterances]


def speakers(words: list[Word]) -> list[str | None]:
    return [one.speaker for one in words]


class TestAttribution:
    def test_word_is_assigned_to_the_turn_that_contains_it(self) -> None:
        found = assign_speakers(line("one two three four", step=1.0), [turn("S1", 0, 2), turn("S2", 2, 4)])
        assert speakers(found) == ["S1", "S1", "S2", "S2"]

    def test_overlapping_turns_are_decided_by_confidence(self) -> None:
        turns = [turn("S1", 0, 4, confidence=0.3), turn("S2", 0, 4, confidence=0.9)]
        assert speakers(assign_speakers([word("yes", 1, 1.4)], turns)) == ["S2"]

    def test_equal_evidence_keeps_the_previous_speaker(self) -> None:
        turns = [turn("S2", 0, 1.0), turn("S1", 1.0, 3), turn("S2", 1.0, 3)]
        assert speakers(assign_speakers(line("a b c", step=1.0), turns)) == ["S2", "S2", "S2"]

    def test_word_outside_all_turns_is_assigned_to_the_nearest(self) -> None:
        turns = [turn("S1", 1, 2), turn("S2", 5, 6)]
        words = [word("before", 0, 0.5), word("near", 2.2, 2.6), word("late", 4.0, 4.5), word("after", 9, 9.5)]
        assert speakers(assign_speakers(words, turns)) == ["S1", "S1", "S2", "S2"]

    def test_words_without_turns_have_one_speaker(self) -> None:
        assert speakers(assign_speakers(line("all alone"), [])) == ["S1", "S1"]
        assert assign_speakers([], [turn("S1", 0, 1)]) == []

    def test_single_word_within_another_turn_is_smoothed(self) -> None:
        turns = [turn("S1", 0, 0.9), turn("S2", 0.9, 1.2), turn("S1", 1.2, 3)]
        assert set(speakers(assign_speakers(line("one two three four five six"), turns))) == {"S1"}

    def test_single_word_after_a_pause_keeps_its_speaker(self) -> None:
        words = [word("right", 0, 0.5), word("yes", 1.0, 1.3), word("good", 1.8, 2.2)]
        turns = [turn("S1", 0, 0.6), turn("S2", 0.9, 1.4), turn("S1", 1.7, 2.4)]
        assert speakers(assign_speakers(words, turns)) == ["S1", "S2", "S1"]

    def test_word_with_named_speaker_keeps_it(self) -> None:
        words = [word("a", 0, 0.3, "S2"), word("b", 0.3, 0.6), word("c", 0.6, 0.9, "S2")]
        assert speakers(assign_speakers(words, [turn("S1", 0, 1)])) == ["S2", "S2", "S2"]

    def test_word_without_duration_is_assigned(self) -> None:
        assert speakers(assign_speakers([word("oh", 2.5, 2.5)], [turn("S1", 0, 2), turn("S2", 2, 3)])) == ["S2"]

    def test_turn_without_duration_is_ignored(self) -> None:
        turns = [turn("S1", 0, 2), turn("S2", 1.2, 1.2)]
        assert speakers(assign_speakers([word("well", 1, 1.4)], turns)) == ["S1"]


class TestWordEnds:
    def test_last_word_ends_with_its_speech_span(self) -> None:
        clipped = within_speech([word("bye", 1.0, 1.9)], [span(0, 1.2), span(5, 6)])
        assert clipped[0].end == pytest.approx(1.35)

    def test_word_duration_is_limited_by_its_length(self) -> None:
        assert within_speech([word("a", 0, 9)], [span(0, 10)])[0].end == pytest.approx(0.72)

    def test_plausible_words_are_unchanged(self) -> None:
        words = [word("fine", 0.0, 0.4), word("outside", 3.0, 3.4), word("fine", 5.0, 5.3)]
        assert within_speech(words, [span(0, 1), span(5, 6)]) == words


class TestCuts:
    def test_speaker_change_splits(self) -> None:
        words = line("we lost it", speaker="S1") + line("oh no", start=1.0, speaker="S2")
        assert texts(compose(words, apart=False)) == ["we lost it", "oh no"]

    def test_pause_splits(self) -> None:
        words = line("well", speaker="S1") + line("then", start=PAUSE + 0.4, speaker="S1")
        assert len(compose(words, apart=False)) == 2

    def test_sentence_end_splits_with_a_short_pause_or_a_long_utterance(self) -> None:
        assert len(compose(line("It works. Good.", speaker="S1"), apart=False)) == 1
        pausing = line("It works.", speaker="S1") + line('"Good."', start=0.9, speaker="S1")
        assert texts(compose(pausing, apart=False)) == ["It works.", '"Good."']
        long = line("a " * 28 + "end. Next one", speaker="S1")
        assert texts(compose(long, apart=False))[1] == "Next one"

    def test_long_utterance_is_split_at_its_longest_pause(self) -> None:
        words = line("a " * 40, speaker="S1") + line("b " * 20, start=40 * 0.3 + 0.5, speaker="S1")
        assert [text[0] for text in texts(compose(words, apart=False))] == ["a", "b"]

    def test_single_long_word_is_not_split(self) -> None:
        assert len(compose([word("om", 0, 60, "S1")], apart=False)) == 1

    def test_overlapping_speech_on_separate_tracks_is_not_split(self) -> None:
        words = sorted(
            line("we should go now", step=0.4, speaker="S1") + line("yes yes", start=0.5, step=0.4, speaker="S2"),
            key=lambda one: one.start,
        )
        assert texts(compose(words, apart=True)) == ["we should go now", "yes yes"]
        assert len(compose(words, apart=False)) > 2, "in a mix each change of speaker splits"


@st.composite
def meetings(draw: st.DrawFn) -> tuple[list[Word], list[SpeakerTurn], bool]:
    count = draw(st.integers(0, 40))
    words, now = [], 0.0
    for number in range(count):
        now += draw(st.floats(0, 2))
        length = draw(st.floats(0, 3))
        named = draw(st.sampled_from([None, None, "S1", "S2"]))
        text = f"w{number}" + draw(st.sampled_from(["", ".", "?"]))
        words.append(word(text, now, now + length, named))
        now += draw(st.floats(0, 1)) * length
    edges = draw(
        st.lists(st.tuples(st.floats(0, 60), st.floats(0, 20), st.sampled_from(["S1", "S2", "S3"])), max_size=8)
    )
    return words, [turn(who, start, start + length) for start, length, who in edges], draw(st.booleans())


@given(meetings())
def test_every_word_is_in_exactly_one_utterance(meeting: tuple[list[Word], list[SpeakerTurn], bool]) -> None:
    words, turns, apart = meeting
    made = compose(assign_speakers(words, turns), apart=apart)
    placed = [one for utterance in made for one in utterance.words]
    assert sorted(one.text for one in placed) == sorted(one.text for one in words)
    for utterance in made:
        assert {one.speaker for one in utterance.words} == {utterance.speaker}
        assert all(utterance.start <= one.start and one.end <= utterance.end for one in utterance.words)
        assert utterance.text == " ".join(one.text for one in utterance.words)
    for speaker in {one.speaker for one in placed}:
        numbers = [int(one.text.strip("w.?")) for one in placed if one.speaker == speaker]
        assert numbers == sorted(numbers), "the order of words is kept"
    assert [utterance.start for utterance in made] == sorted(utterance.start for utterance in made)
    assert [utterance.index for utterance in made] == list(range(len(made)))
    assert compose(assign_speakers(words, turns), apart=apart) == made


@given(st.lists(st.floats(0.05, 0.6), min_size=2, max_size=200))
def test_utterances_are_not_longer_than_the_maximum(steps: list[float]) -> None:
    words, now = [], 0.0
    for step in steps:
        words.append(word("w", now, now + step, "S1"))
        now += step
    assert all(utterance.duration <= MAX_SECONDS + 1e-6 for utterance in compose(words, apart=False))


def test_stage_replaces_speaker_names_by_ids(tmp_path: Path) -> None:
    work = workspace(
        tmp_path,
        "compose",
        detect_speech=SpeechMap(tracks=(Speech(spans=(span(0, 5),)),)),
        transcribe=Transcription(words=(*line("hello", speaker="Ana"), *line("hi", start=0.5, speaker="Ben"))),
        diarize=Turns(turns=(turn("S1", 0, 0.5), turn("S2", 0.5, 1)), names={"S1": "Ana", "S2": "Ben"}),
    )
    stage = Compose()
    stage.run(work, ())
    made = Utterances.model_validate_json((work.folder / "compose.json").read_bytes()).utterances
    assert [(utterance.speaker, utterance.text) for utterance in made] == [("S1", "hello"), ("S2", "hi")]
    assert stage.identity() == Compose().identity()

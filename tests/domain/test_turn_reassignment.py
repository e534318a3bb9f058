"""Turns follow an utterance that gets another speaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.edit import Rename, SetSpeaker
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.transcript import Transcript, talk_seconds
from shared.domain.turn_reassignment import reassign_turns
from tests.editing import edited
from tests.exports.sample import transcript
from tests.fakes import turn, utterance

Found = list[tuple[str, float, float, float | None]]


def moved(turns: list[SpeakerTurn], *utterances: tuple[Utterance, str]) -> Found:
    before = [one for one, _ in utterances]
    after = [one.model_copy(update={"speaker": speaker}) for one, speaker in utterances]
    return [(one.speaker, one.start, one.end, one.confidence) for one in reassign_turns(turns, before, after)]


def test_part_of_a_turn_within_the_utterance_moves() -> None:
    assert moved([turn("S1", 0, 10, 0.8)], (utterance(0, 2, 5), "S2")) == [
        ("S1", 0, 2, 0.8),
        ("S2", 2, 5, None),
        ("S1", 5, 10, 0.8),
    ]


def test_whole_turn_moves_and_turns_of_others_stay() -> None:
    turns = [turn("S1", 1, 3), turn("S2", 1, 4, 0.6), turn("S1", 8, 9, 0.7)]
    assert moved(turns, (utterance(0, 0, 5), "S2")) == [("S2", 1, 3, None), ("S2", 1, 4, 0.6), ("S1", 8, 9, 0.7)]


def test_several_utterances_of_one_turn_move_to_different_speakers() -> None:
    utterances = [(utterance(0, 0, 2), "S2"), (utterance(1, 1, 3), "S3"), (utterance(2, 1, 2), "S4")]
    assert moved([turn("S1", 0, 4, 0.9)], *utterances) == [("S2", 0, 2, None), ("S3", 2, 3, None), ("S1", 3, 4, 0.9)]


def test_turn_without_duration_stays() -> None:
    assert moved([turn("S1", 1, 1, 0.5)], (utterance(0, 0, 2), "S2")) == [("S1", 1, 1, 0.5)]


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=8)


@given(SPANS, SPANS, st.lists(st.sampled_from(["S1", "S2", "S3"]), min_size=8, max_size=8))
def test_each_second_of_the_old_speaker_moves_at_most_once(
    spans: list[tuple[int, int]], said: list[tuple[int, int]], speakers: list[str]
) -> None:
    turns = [turn("S1", start, start + length) for start, length in spans]
    utterances = [(utterance(n, start, start + length), speakers[n]) for n, (start, length) in enumerate(said)]
    found = moved(turns, *utterances)
    assert sum(end - start for _, start, end, _ in found) == sum(length for _, length in spans)
    for speaker, start, end, _ in found:
        for second in range(int(start), int(end)):
            targets = {who for one, who in utterances if one.start <= second < one.end and who != "S1"}
            assert speaker in (targets or {"S1"})
    assert [start for _, start, _, _ in found] == sorted(start for _, start, _, _ in found)


def meeting() -> Transcript:
    given = transcript((utterance(0, 0, 4, "S1"), utterance(1, 4, 6, "S2")))
    return given.model_copy(update={"turns": (turn("S1", 0, 3.5, 0.9), turn("S2", 3, 6, 0.8))})


def corrected(given: Transcript, *speakers: str) -> Transcript:
    """The first utterance is assigned to these speakers, one after the other."""
    return edited(given, *(SetSpeaker(utterances=(0,), speaker=speaker) for speaker in speakers))


def test_reassigned_utterance_changes_talk_time() -> None:
    made = corrected(meeting(), "S2")
    assert [(one.id, one.talk_seconds, one.utterances) for one in made.speakers] == [("S1", 0.0, 0), ("S2", 6.0, 2)]
    assert {one.speaker for one in made.turns} <= {one.id for one in made.speakers}
    assert talk_seconds(made.turns) == {"S2": 6.0}


def test_utterance_that_gets_its_speaker_back_leaves_the_turns_unchanged() -> None:
    assert corrected(meeting(), "S2", "S1").turns == meeting().turns


def test_renamed_speaker_keeps_its_turns() -> None:
    made = edited(meeting(), Rename(speaker="S1", name="Anna"))
    assert made.turns == meeting().turns
    assert made.names[made.turns[0].speaker] == "Anna"

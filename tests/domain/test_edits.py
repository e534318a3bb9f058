"""Edits: splits, joins, speakers and replacements keep every word and its time, and can be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.corrected_transcript import apply_changes
from shared.domain.correction import MAX_CORRECTIONS, check_limits
from shared.domain.edit import Accept, Edit, Join, Merge, Rename, Replace, SetSpeaker, SetText, Split
from shared.domain.edit_plan import MAX_DIVISIONS
from shared.domain.error import (
    InvalidRequest,
    NotFound,
    TooManyCorrections,
)
from shared.domain.speech import Word
from shared.domain.utterance_division import split_utterance
from tests.domain.edited_meeting import meeting, shown
from tests.editing import edited, planned
from tests.exports.sample import transcript
from tests.fakes import reading, utterance
from tests.scaling import LIMIT, growth


def test_split_keeps_word_times_and_reading() -> None:
    given = meeting()
    made = edited(given, Split(utterance=0, word=2))
    assert shown(made)[:2] == [(0, "S1", "We lost", 0, 2), (3, "S1", "the customer", 2, 4)]
    assert made.utterances[0].words + made.utterances[1].words == given.utterances[0].words
    assert made.utterances[0].emotion == made.utterances[1].emotion == given.utterances[0].emotion
    assert [one.utterances for one in made.speakers] == [3, 1]
    assert made.turns == given.turns
    assert edited(made, Split(utterance=3, word=1)).utterances[2].text == "customer"


def test_split_utterances_are_sorted_by_time() -> None:
    made = edited(meeting(), Join(utterance=0), Split(utterance=0, word=4))
    assert shown(made) == [
        (0, "S1", "We lost the customer", 0, 4),
        (1, "S2", "no way", 4, 6),
        (3, "S1", "it is true", 6, 8),
    ]


def test_join_takes_the_next_utterance_of_the_speaker() -> None:
    made = edited(meeting(), Join(utterance=0))
    assert shown(made) == [(0, "S1", "We lost the customer it is true", 0, 8), (1, "S2", "no way", 4, 6)]
    assert len(made.utterances[0].words) == 7
    for index in (1, 2):
        with pytest.raises(InvalidRequest, match="none to join"):
            edited(meeting(), Join(utterance=index))
    far = transcript((utterance(0, 0, 1), utterance(1, 50, 51)))
    with pytest.raises(InvalidRequest, match="none to join"):
        edited(far, Join(utterance=0))


def test_joined_utterances_have_the_reading_of_the_longer_one() -> None:
    one, two = utterance(0, 0, 1), utterance(1, 1, 3)
    happy, sad = reading(joy=0.9), reading(sadness=0.9)
    for readings, label in (((happy, sad), "sadness"), ((happy, None), "joy"), ((None, None), None)):
        pair = [said.model_copy(update={"emotion": read}) for said, read in zip((one, two), readings, strict=True)]
        found = edited(transcript().model_copy(update={"utterances": tuple(pair)}), Join(utterance=0)).utterances[0]
        assert (found.emotion and found.emotion.label) == label


def test_words_without_spaces_are_split_and_joined() -> None:
    words = tuple(Word(text=text, start=n, end=n + 1) for n, text in enumerate(("会議", "を", "始めます")))
    one = utterance(0, 0, 3).model_copy(update={"text": "会議を始めます", "words": words})
    parts = edited(transcript((one,)), Split(utterance=0, word=1))
    assert [part.text for part in parts.utterances] == ["会議", "を始めます"]


def test_utterances_go_to_another_or_a_new_speaker_with_their_turns() -> None:
    made = edited(meeting(), SetSpeaker(utterances=(0, 2), speaker="S2"))
    assert [(one.id, one.talk_seconds, one.utterances) for one in made.speakers] == [("S1", 0.0, 0), ("S2", 8.0, 3)]
    new = edited(meeting(), Split(utterance=0, word=2), SetSpeaker(utterances=(3,), name="Zoe"))
    assert [(one.id, one.name, one.talk_seconds, one.utterances) for one in new.speakers[2:]] == [("S3", "Zoe", 2.0, 1)]
    assert [(one.start, one.end) for one in new.turns if one.speaker == "S3"] == [(2, 4)]
    for one in (SetSpeaker(utterances=(0,)), SetSpeaker(utterances=(0,), speaker="S2", name="Zoe")):
        with pytest.raises(InvalidRequest, match="either"):
            planned(meeting(), one)


def test_merged_speakers_are_one() -> None:
    given = meeting()
    made = edited(given, Merge(speaker="S2", into="S1"), Join(utterance=0), SetText(utterance=0, text="Oh no"))
    assert [(one.id, one.talk_seconds, one.utterances) for one in made.speakers] == [("S1", 8.0, 2)]
    assert {one.speaker for one in made.turns} == {"S1"}
    assert len(made.turns) == 3 and made.turns[0] == given.turns[0] and made.turns[1].confidence is None
    assert {word.speaker for word in edited(given, Merge(speaker="S2", into="S1")).utterances[1].words} == {"S1"}
    chain = edited(
        given, SetSpeaker(utterances=(2,), name="Zoe"), Merge(speaker="S1", into="S3"), Merge(speaker="S3", into="S2")
    )
    assert [one.id for one in chain.speakers] == ["S2"]
    assert {one.speaker for one in chain.utterances} == {"S2"}
    with pytest.raises(InvalidRequest, match="itself"):
        planned(given, Merge(speaker="S1", into="S1"))
    with pytest.raises(NotFound):
        planned(given, Merge(speaker="S2", into="S1"), Rename(speaker="S2", name="x"))


def test_accepted_words_have_full_confidence() -> None:
    given = transcript()
    changes = planned(given, Accept(utterance=0, words=(1, 3, 1)))
    assert [(one.old, one.new) for one in changes] == [("lost customer", "1 3")]
    made = apply_changes(given, changes)
    assert [word.confidence for word in made.utterances[0].words] == [0.9, 1.0, 0.9, 1.0, 0.9, None]
    assert planned(made, Accept(utterance=0, words=(1,))) == ()
    with pytest.raises(InvalidRequest, match="no such word"):
        planned(given, Accept(utterance=0, words=(6,)))


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"find": "It", "replacement": "x"}, ["Tx for tat x was", "x x", "lower"]),
        ({"find": "it", "replacement": "x", "whole_words": True}, ["Tit for tat x was", "x x", "lower"]),
        ({"find": "it", "replacement": "x", "case": True}, ["Tx for tat x was", "It x", "lower"]),
        (
            {"find": "it", "replacement": "x", "utterances": (0,), "whole_words": True},
            ["Tit for tat x was", "It it", "lower"],
        ),
        ({"find": "t. ", "replacement": r"\1"}, ["Tit for tat it was", "It it", "lower"]),
        ({"find": "lower", "replacement": ""}, ["Tit for tat it was", "It it", "lower"]),
        ({"find": "for tat", "replacement": ""}, ["Tit it was", "It it", "lower"]),
    ],
)
def test_text_is_replaced(options: dict[str, Any], texts: list[str]) -> None:
    said = ("Tit for tat it was", "It it", "lower")
    given = transcript(tuple(utterance(n, n, n + 1, "S1", text) for n, text in enumerate(said)))
    made = edited(given, Replace(**options))
    assert [one.text for one in made.utterances] == texts


def test_absurd_edits_are_refused() -> None:
    long = transcript((utterance(0, 0, 9, "S1", "word " * 3999), utterance(1, 9, 10, "S1", "more words")))
    with pytest.raises(InvalidRequest, match="20000 characters"):
        planned(long, Join(utterance=0))
    with pytest.raises(InvalidRequest, match="20000 characters"):
        planned(long, Replace(find="w", replacement="x" * 1000))
    many = transcript(tuple(utterance(n, n, n + 1, "S1", "a" * 19_000) for n in range(200)))
    with pytest.raises(TooManyCorrections):
        planned(many, Replace(find="a" * 200, replacement="b" * 200))
    with pytest.raises(InvalidRequest, match="cannot be split"):
        planned(meeting(), Split(utterance=0, word=4))
    with pytest.raises(InvalidRequest, match=str(MAX_DIVISIONS)):
        planned(
            transcript((utterance(0, 0, 9, "S1", "word " * 300),)),
            *[Split(utterance=0, word=1)],
            *(Split(utterance=n, word=1) for n in range(1, MAX_DIVISIONS + 1)),
        )
    with pytest.raises(InvalidRequest, match="500 speakers"):
        planned(meeting(), *(SetSpeaker(utterances=(0,), name="Zoe") for _ in range(500)))
    with pytest.raises(TooManyCorrections):
        check_limits((), planned(meeting(), SetText(utterance=0, text="x")) * (MAX_CORRECTIONS + 1))


def test_edits_apply_in_linear_time() -> None:
    def prepare(size: int) -> Callable[[], object]:
        many = transcript(tuple(utterance(n, n, n + 1, f"S{n % 2 + 1}", "one two three") for n in range(size)))
        replaced = planned(
            many, Replace(find="two", replacement="2"), SetSpeaker(utterances=tuple(range(size)), name="x")
        )
        return lambda: apply_changes(many, (*replaced, *planned(many, Merge(speaker="S1", into="S2"))))

    assert growth(prepare, 200) < LIMIT


def test_operations_are_told_apart_by_their_name() -> None:
    made = Edit.model_validate(
        {"operations": [{"op": "split", "utterance": 1, "word": 2}, {"op": "join", "utterance": 0}]}
    )
    assert made.operations == (Split(utterance=1, word=2), Join(utterance=0))


def test_a_new_speaker_gets_an_id_that_is_free() -> None:
    said = (utterance(0, 0, 4, "S1", "We lost"), utterance(1, 4, 6, "S3", "no way"))
    made = edited(transcript(said), SetSpeaker(utterances=(1,), name="Zoe"))
    assert [one.speaker for one in made.utterances] == ["S1", "S4"]


def test_words_that_the_text_does_not_contain_are_the_text_of_the_parts() -> None:
    whole = utterance(0, 0, 4, "S1", "We lost it").model_copy(update={"text": "Corrected by hand"})
    before, after = split_utterance(whole, 1, 7)
    assert (before.text, after.text, after.index) == ("We", "lost it", 7)


@pytest.mark.parametrize("position", [0, 3])
def test_an_utterance_is_split_between_its_words_only(position: int) -> None:
    with pytest.raises(ValueError, match="between two"):
        split_utterance(utterance(0, 0, 4, "S1", "We lost it"), position, 7)

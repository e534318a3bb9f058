"""The transcript: its turns, their order and length, and transcripts of schema version 1."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.speech import SpeakerTurn
from shared.domain.transcript import SCHEMA_VERSION, Transcript, joined_turns, talk_seconds, turns_of
from tests.exports.sample import transcript
from tests.fakes import turn, utterance

SAMPLE = transcript()
TURNS = st.lists(
    st.builds(
        lambda speaker, start, length, confidence: SpeakerTurn(
            speaker=speaker, start=start, end=start + length, confidence=confidence
        ),
        st.sampled_from(["S1", "S2", "S3"]),
        st.integers(0, 5_000).map(lambda milliseconds: milliseconds / 1000),
        st.integers(0, 1_000).map(lambda milliseconds: milliseconds / 1000),
        st.none() | st.floats(0, 1),
    ),
    max_size=8,
)


def version_1(given: Transcript) -> str:
    fields = json.loads(given.model_dump_json(exclude={"turns"}))
    return json.dumps(fields | {"schema_version": 1})


def test_version_1_gets_a_turn_for_each_utterance() -> None:
    given = transcript((utterance(0, 4, 6, "S2"), utterance(1, 0, 5, "S1")))
    read = Transcript.model_validate_json(version_1(given))
    assert [(one.speaker, one.start, one.end, one.confidence) for one in read.turns] == [
        ("S1", 0, 5, None),
        ("S2", 4, 6, None),
    ]
    assert (read.schema_version, read.utterances, read.speakers) == (SCHEMA_VERSION, given.utterances, given.speakers)
    assert Transcript.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("version", [0, SCHEMA_VERSION + 1])
def test_other_versions_are_rejected(version: int) -> None:
    with pytest.raises(ValidationError, match="versions 1 to 2 are supported"):
        Transcript.model_validate(transcript().model_dump() | {"schema_version": version})


@given(TURNS)
def test_transcript_with_turns_round_trips(turns: list[SpeakerTurn]) -> None:
    given = SAMPLE.model_copy(update={"turns": tuple(turns)})
    assert Transcript.model_validate_json(given.model_dump_json()) == given


@given(TURNS)
def test_talk_time_is_the_union_of_the_turns(turns: list[SpeakerTurn]) -> None:
    milliseconds: dict[str, set[int]] = {}
    for one in turns:
        milliseconds.setdefault(one.speaker, set()).update(range(round(one.start * 1000), round(one.end * 1000)))
    found = talk_seconds(turns)
    assert found == pytest.approx({speaker: len(own) / 1000 for speaker, own in milliseconds.items()}, abs=2e-3)


def test_joined_turns_are_disjoint_and_in_order() -> None:
    turns = [turn("S1", 5, 7), turn("S1", 0, 2), turn("S1", 1, 3), turn("S2", 0, 9)]
    joined = joined_turns((one.speaker, one) for one in turns)
    assert {speaker: [(span.start, span.end) for span in spans] for speaker, spans in joined.items()} == {
        "S1": [(0, 3), (5, 7)],
        "S2": [(0, 9)],
    }


def test_unknown_speaker_is_named_by_its_id() -> None:
    assert transcript().names["S9"] == "S9"
    assert turns_of(()) == ()

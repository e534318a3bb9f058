"""Manual corrections: what changes, what stays, and what cannot be corrected."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.correction import (
    Change,
    CorrectedField,
    UtterancePatch,
    apply_changes,
    human_reading,
    patch_changes,
    rename_changes,
    utterance_of,
)
from shared.domain.emotion import Emotion, Sentiment
from shared.domain.error import InvalidRequest, NoEmotionReading, NotFound
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.domain.transcript import Transcript
from shared.domain.word_alignment import align_words
from tests.exports.sample import ANA, transcript
from tests.fakes import reading, utterance
from tests.scaling import LIMIT, growth


def patched(given: Transcript, index: int, **patch: object) -> Transcript:
    return apply_changes(given, patch_changes(given, index, UtterancePatch.model_validate(patch)))


def test_speaker_is_renamed() -> None:
    changes = rename_changes(transcript(), "S1", "Anna")
    assert changes == (Change(field=CorrectedField.NAME, target="S1", old=ANA, new="Anna"),)
    made = apply_changes(transcript(), changes)
    assert made.names["S1"] == "Anna"
    assert made.warnings == ("1 value was corrected manually.",)
    assert made.utterances == transcript().utterances
    assert rename_changes(made, "S1", "Anna") == ()
    with pytest.raises(NotFound, match="speaker"):
        rename_changes(transcript(), "S9", "Anna")


def test_corrected_text_gets_word_times() -> None:
    made = patched(transcript(), 0, text="We won the great customer yesterday.")
    one, before = made.utterances[0], transcript().utterances[0]
    assert one.text == " ".join(word.text for word in one.words) == "We won the great customer yesterday."
    assert one.words[0] == before.words[0]
    assert (one.words[1].start, one.words[1].end, one.words[1].confidence) == (
        before.words[1].start,
        before.words[1].end,
        None,
    )
    assert made.utterances[1:] == transcript().utterances[1:]


def test_talk_time_is_recomputed_when_utterance_is_reassigned() -> None:
    source = utterance(0, 0.0, 2.0, "S1")
    mixed = source.model_copy(
        update={"words": (*source.words[:1], source.words[1].model_copy(update={"speaker": None}))}
    )
    given = transcript((mixed, utterance(1, 2.0, 5.0, "S2")))
    made = patched(given, 0, speaker="S2")
    assert [(one.talk_seconds, one.utterances) for one in made.speakers] == [(0.0, 0), (5.0, 2)]
    assert [word.speaker for word in made.utterances[0].words] == ["S2", None]


def test_corrected_emotion_keeps_modality_readings() -> None:
    before = transcript().utterances[0].emotion
    after = patched(transcript(), 0, emotion="joy").utterances[0].emotion
    assert before is not None and after is not None
    assert (after.label, after.confidence, after.scores[Emotion.JOY]) == (Emotion.JOY, 1.0, 1.0)
    assert (after.sentiment.label, after.valence, after.arousal) == (Sentiment.POSITIVE, None, None)
    assert after.modalities == before.modalities
    moods = {label: human_reading(reading(), label).sentiment.label for label in Emotion}
    assert moods[Emotion.FEAR] is Sentiment.NEGATIVE and moods[Emotion.NEUTRAL] is Sentiment.NEUTRAL
    assert human_reading(reading(), Emotion.SURPRISE).sentiment == reading().sentiment


def test_invalid_corrections_are_rejected() -> None:
    with pytest.raises(NoEmotionReading):
        patched(transcript(), 1, emotion="joy")
    with pytest.raises(InvalidRequest, match="speaker"):
        patched(transcript(), 0, speaker="S9")
    with pytest.raises(NotFound, match="utterance"):
        utterance_of(transcript(), 99)
    for change in (
        Change(field=CorrectedField.EMOTION, target="1", old="", new="joy"),
        Change(field=CorrectedField.NAME, target="S1", old="", new="x").model_copy(
            update={"field": "else", "target": "1"}
        ),
    ):
        with pytest.raises(ValueError, match="has no target"):
            apply_changes(transcript(), (change,))


def test_patch_with_current_values_makes_no_change() -> None:
    given = transcript()
    assert (
        patch_changes(given, 0, UtterancePatch(text=given.utterances[0].text, emotion=Emotion.SADNESS, speaker="S1"))
        == ()
    )
    assert patch_changes(given, 1, UtterancePatch()) == ()
    assert apply_changes(given, ()) is given


def test_changes_apply_in_order_and_each_value_counts_once() -> None:
    first = patch_changes(transcript(), 0, UtterancePatch(text="once"))
    then = patch_changes(apply_changes(transcript(), first), 0, UtterancePatch(text="twice", speaker="S2"))
    assert then[0].old == "once"
    made = apply_changes(transcript(), (*first, *then))
    assert (made.utterances[0].text, made.utterances[0].speaker) == ("twice", "S2")
    assert made.warnings[-1] == "2 values were corrected manually."


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(text=one, start=n + 1.0, end=n + 2.0, confidence=0.5) for n, one in enumerate(texts))


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [
        ("a b c", "a b c", [(1, 2), (2, 3), (3, 4)]),
        ("a b c", "a c", [(1, 2), (3, 4)]),
        ("a b c", "x y", [(1, 2.5), (2.5, 4)]),
        ("a b", "a b x y", [(1, 2), (2, 3), (3, 4), (4, 5)]),  # up to the end of the utterance
        ("a b", "x a b", [(0, 1), (1, 2), (2, 3)]),  # from the start of the utterance
        ("a b", "a x b", [(1, 2), (2, 2), (2, 3)]),  # no time between the words
        ("a", "", []),
        ("", "x", []),
    ],
)
def test_unchanged_words_keep_their_times(before: str, after: str, times: list[tuple[float, float]]) -> None:
    within = utterance(0, 0.0, 5.0).span
    made = align_words(words(*before.split()), after, within)
    assert [(word.start, word.end) for word in made] == times
    assert [word.text for word in made] == (after.split() if before else [])


def test_words_of_a_long_utterance_are_aligned_in_bounded_time() -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = words(*["a"] * size)
        return lambda: align_words(given, "a b " * (size // 2), Span(start=0, end=size + 2))

    assert growth(prepare, 500) < LIMIT


def test_unchanged_words_around_a_long_change_keep_their_times() -> None:
    given = words("first", *["old"] * 300, "last")
    made = align_words(given, " ".join(["first", *["new"] * 500, "last"]), Span(start=0, end=400))
    assert (made[0], made[-1]) == (given[0], given[-1])
    assert [one.text for one in made[1:-1]] == ["new"] * 500
    assert (made[1].start, made[-2].end) == (given[1].start, given[-2].end)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_aligned_words_are_the_new_text_in_order_of_time(before: list[str], after: list[str]) -> None:
    given = words(*before)
    made = align_words(given, " ".join(after), Span(start=0, end=20))
    assert [one.text for one in made] == (after if before else [])
    times = [time for one in made for time in (one.start, one.end)]
    assert times == sorted(times)
    assert {one for one in made if one.confidence is not None} <= set(given)

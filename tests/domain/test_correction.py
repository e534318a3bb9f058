"""Manual corrections: what changes, what stays, and what cannot be corrected."""

from __future__ import annotations

import pytest

from shared.domain.corrected_transcript import apply_changes
from shared.domain.correction import Change, CorrectedField
from shared.domain.edit import Rename, SetEmotion, SetSpeaker, SetText
from shared.domain.emotion import Emotion, Sentiment
from shared.domain.error import InvalidRequest, NoEmotionReading, NotFound
from shared.domain.human_reading import human_reading
from tests.editing import edited, planned
from tests.exports.sample import ANA, transcript
from tests.fakes import reading, utterance


def test_speaker_is_renamed() -> None:
    changes = planned(transcript(), Rename(speaker="S1", name="Anna"))
    assert changes == (Change(field=CorrectedField.NAME, target="S1", old=ANA, new="Anna"),)
    made = apply_changes(transcript(), changes)
    assert made.names["S1"] == "Anna"
    assert made.warnings == ("1 value was corrected manually.",)
    assert made.utterances == transcript().utterances
    assert planned(made, Rename(speaker="S1", name="Anna")) == ()
    with pytest.raises(NotFound, match="speaker"):
        planned(transcript(), Rename(speaker="S9", name="Anna"))


def test_corrected_text_gets_word_times() -> None:
    made = edited(transcript(), SetText(utterance=0, text="We won the great customer yesterday."))
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
    made = edited(given, SetSpeaker(utterances=(0,), speaker="S2"))
    assert [(one.talk_seconds, one.utterances) for one in made.speakers] == [(0.0, 0), (5.0, 2)]
    assert [word.speaker for word in made.utterances[0].words] == ["S2", None]


def test_corrected_emotion_keeps_modality_readings() -> None:
    before = transcript().utterances[0].emotion
    after = edited(transcript(), SetEmotion(utterance=0, emotion=Emotion.JOY)).utterances[0].emotion
    assert before is not None and after is not None
    assert (after.label, after.confidence, after.scores[Emotion.JOY]) == (Emotion.JOY, 1.0, 1.0)
    assert (after.sentiment.label, after.valence, after.arousal) == (Sentiment.POSITIVE, None, None)
    assert after.modalities == before.modalities
    moods = {label: human_reading(reading(), label).sentiment.label for label in Emotion}
    assert moods[Emotion.FEAR] is Sentiment.NEGATIVE and moods[Emotion.NEUTRAL] is Sentiment.NEUTRAL
    assert human_reading(reading(), Emotion.SURPRISE).sentiment == reading().sentiment


def test_invalid_corrections_are_rejected() -> None:
    with pytest.raises(NoEmotionReading):
        edited(transcript(), SetEmotion(utterance=1, emotion=Emotion.JOY))
    with pytest.raises(InvalidRequest, match="speaker"):
        edited(transcript(), SetSpeaker(utterances=(0,), speaker="S9"))
    with pytest.raises(NotFound, match="utterance"):
        transcript().utterance(99)
    for change in (
        Change(field=CorrectedField.EMOTION, target="1", old="", new="joy"),
        Change(field=CorrectedField.NAME, target="S1", old="", new="x").model_copy(
            update={"field": "else", "target": "1"}
        ),
    ):
        with pytest.raises(ValueError, match="has no target"):
            apply_changes(transcript(), (change,))


def test_current_values_make_no_change() -> None:
    given = transcript()
    same = (
        SetText(utterance=0, text=given.utterances[0].text),
        SetEmotion(utterance=0, emotion=Emotion.SADNESS),
        SetSpeaker(utterances=(0,), speaker="S1"),
    )
    assert planned(given, *same) == ()
    assert apply_changes(given, ()) is given


def test_changes_apply_in_order_and_each_value_counts_once() -> None:
    then = (SetText(utterance=0, text="twice"), SetSpeaker(utterances=(0,), speaker="S2"))
    changes = planned(transcript(), SetText(utterance=0, text="once"), *then)
    assert changes[1].old == "once"
    made = apply_changes(transcript(), changes)
    assert (made.utterances[0].text, made.utterances[0].speaker) == ("twice", "S2")
    assert made.warnings[-1] == "2 values were corrected manually."

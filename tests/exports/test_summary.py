"""The summary metrics of a meeting."""

from __future__ import annotations

import pytest
from hypothesis import given as with_examples
from hypothesis import strategies as st

from shared.domain.edit import SetSpeaker
from shared.domain.emotion import Emotion, EmotionReading
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.transcript import Transcript
from shared.exports.summary import SpeakerSummary, render_summary, summarize
from tests.editing import edited
from tests.exports.sample import transcript
from tests.fakes import reading, turn, utterance


def with_emotion(one: Utterance, given: EmotionReading) -> Utterance:
    return one.model_copy(update={"emotion": given})


def meeting(*utterances: Utterance) -> Transcript:
    made = transcript(utterances)
    return made.model_copy(update={"utterances": utterances})  # keep these readings instead of the sample's


def of(given: Transcript, speaker: str) -> SpeakerSummary:
    return next(one for one in summarize(given, emotion=True).speakers if one.speaker == speaker)


def test_talk_time_share_turns_and_words() -> None:
    given = meeting(
        utterance(0, 0, 6, "S1", "one two three"),
        utterance(1, 6, 8, "S1", "four"),
        utterance(2, 8, 10, "S2", "five six"),
        utterance(3, 10, 20, "S1", "seven"),
        Utterance(index=4, start=20, end=22, speaker="S2", text="text without word times", words=()),
    )
    one, two = of(given, "S1"), of(given, "S2")
    assert (one.talk_seconds, one.share, one.turns, one.words) == (18.0, 0.8182, 2, 5)
    assert (two.talk_seconds, two.share, two.turns, two.words) == (4.0, 0.1818, 2, 6)


def with_turns(*turns: SpeakerTurn) -> Transcript:
    given = meeting(*(utterance(n, n, n + 1, f"S{n + 1}") for n in range(3)))
    return given.model_copy(update={"turns": turns})


def test_talk_time_and_overlap_are_those_of_the_turns() -> None:
    """A second device repeats S1, and all three speak for one second."""
    given = with_turns(turn("S1", 0, 10), turn("S1", 2, 9), turn("S2", 8, 12), turn("S3", 9, 13), turn("S1", 20, 21))
    summary = summarize(given, emotion=False)
    assert [(one.talk_seconds, one.turns) for one in summary.speakers] == [(11.0, 2), (4.0, 1), (4.0, 1)]
    assert [one.share for one in summary.speakers] == [0.5789, 0.2105, 0.2105]
    assert summary.overlap_seconds == 4.0


def test_interruptions_are_those_of_the_turns() -> None:
    given = with_turns(
        turn("S2", 0, 4),
        turn("S1", 1, 10),  # interrupts S2
        turn("S1", 3, 3.5),  # interrupts S2, whose turn still lasts, though S1's own ends later
        turn("S2", 5, 20),  # interrupts S1
        turn("S1", 11, 12),  # interrupts S2
        turn("S3", 12, 13),  # interrupts S2
        turn("S2", 12.5, 14),  # interrupts S3
        turn("S3", 30, 31),
    )
    assert [of(given, speaker).interruptions for speaker in ("S1", "S2", "S3")] == [3, 2, 1]


@with_examples(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.sampled_from(["S1", "S2", "S3"])), max_size=12).map(
        sorted
    )
)
def test_metrics_of_turns_agree_with_a_count_of_every_second(turns: list[tuple[int, int, str]]) -> None:
    summary = summarize(with_turns(*(turn(who, start, start + length) for start, length, who in turns)), emotion=False)
    speaking = [{who for start, length, who in turns if start <= second < start + length} for second in range(90)]
    assert summary.overlap_seconds == sum(len(speakers) > 1 for speakers in speaking)
    for one in summary.speakers:
        assert one.talk_seconds == sum(one.speaker in speakers for speakers in speaking)
    for one in summary.speakers:
        expected = 0
        for number, (start, length, who) in enumerate(turns):
            others = [other for other in turns[:number] if other[2] != one.speaker]
            longest = max(others, key=lambda other: other[0] + other[1], default=None)
            if who == one.speaker and longest and longest[0] < start:
                expected += min(start + length, longest[0] + longest[1]) - start > 0
        assert one.interruptions == expected


def test_interruption_starts_while_another_speaker_speaks() -> None:
    given = meeting(
        utterance(0, 0, 10, "S1"),
        utterance(1, 2, 3, "S2"),  # interrupts S1
        utterance(2, 4, 5, "S2"),  # interrupts the same utterance again
        utterance(3, 9.9, 12, "S3"),  # 0.1 s of overlap is an ordinary change of speaker
        utterance(4, 12, 13, "S1"),  # no other speaker at this time
        utterance(5, 20, 22, "S1"),
        utterance(6, 20, 22, "S2"),  # both start at the same time
    )
    assert [of(given, speaker).interruptions for speaker in ("S1", "S2", "S3")] == [0, 2, 0]


def test_perceived_emotion_is_weighted_by_duration() -> None:
    given = meeting(
        with_emotion(utterance(0, 0, 30), reading(joy=1.0)),
        with_emotion(utterance(1, 30, 60), reading(joy=1.0)),
        with_emotion(utterance(2, 60, 80), reading(sadness=1.0)),
        utterance(3, 150, 180, "S2"),
    )
    given = given.model_copy(update={"recording": given.recording.model_copy(update={"duration": 180.0})})
    one, two = of(given, "S1"), of(given, "S2")
    assert one.perceived is not None and one.perceived[Emotion.JOY] == 0.75 and one.perceived[Emotion.SADNESS] == 0.25
    assert one.course is not None
    assert [point.perceived and point.perceived[Emotion.JOY] for point in one.course] == [1.0, 0.0, None]
    assert (two.perceived, {point.perceived for point in two.course or ()}) == (None, {None})


def test_turning_points_are_large_changes_of_valence() -> None:
    good = reading(joy=1.0).model_copy(update={"valence": 0.7})
    bad = reading(anger=1.0).model_copy(update={"valence": -0.6})
    same = reading()  # no valence: positive 0.1 minus negative 0.2
    given = meeting(
        with_emotion(utterance(0, 0, 50), good),
        with_emotion(utterance(1, 65, 110), good),
        with_emotion(utterance(2, 245, 290), bad),
        with_emotion(utterance(3, 300, 360), same),
        with_emotion(utterance(4, 360, 360), good),
    )
    summary = summarize(given, emotion=True)
    assert summary.valence is not None
    assert [point.perceived_valence for point in summary.valence] == [0.7, 0.7, None, None, -0.6, -0.1]
    assert summary.turning_points is not None
    assert [(point.at, point.utterance, point.before, point.after) for point in summary.turning_points] == [
        (240.0, 2, 0.7, -0.6),
        (300.0, 3, -0.6, -0.1),
    ]


def test_summary_without_emotion_has_no_derived_values() -> None:
    summary = summarize(transcript(), emotion=False)
    assert (summary.valence, summary.turning_points) == (None, None)
    assert {(one.perceived, one.course) for one in summary.speakers} == {(None, None)}
    rendered = render_summary(transcript(), emotion=False)
    assert b"sadness" not in rendered
    assert b"erceived emotion" in rendered  # the disclosure stays
    assert b"sadness" in render_summary(transcript(), emotion=True)


def test_speakers_are_in_the_order_of_the_transcript() -> None:
    given = meeting(utterance(0, 0, 1, "S2"), utterance(1, 1, 50, "S1"), utterance(2, 50, 60, "S3"))
    assert [one.speaker for one in summarize(given, emotion=True).speakers] == ["S2", "S1", "S3"]


@pytest.mark.parametrize("utterances", [(), (utterance(0, 5, 5),)])
def test_meeting_without_words_has_a_summary(utterances: tuple[Utterance, ...]) -> None:
    given = meeting(*utterances)
    given = given.model_copy(update={"recording": given.recording.model_copy(update={"duration": 0.0})})
    summary = summarize(given, emotion=True)
    assert {one.share for one in summary.speakers} <= {0.0}
    assert summary.turning_points == ()


def test_speaker_without_remaining_utterances_is_listed() -> None:
    given = meeting(utterance(0, 0, 1, "S1"), utterance(1, 1, 2, "S2"))
    moved = edited(given, SetSpeaker(utterances=(1,), speaker="S1"))
    summary = of(moved, "S2")
    assert (summary.talk_seconds, summary.turns, summary.perceived) == (0.0, 0, None)
    assert of(moved, "S1").talk_seconds == 2.0


def test_long_meeting_has_at_most_twenty_time_windows() -> None:
    summary = summarize(transcript(), emotion=True)  # its last utterance is after four days
    assert summary.valence is not None and len(summary.valence) == 20
    assert summary.valence[-1].end == 360_001.5

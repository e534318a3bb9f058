"""The lanes of the ribbon: turns with their readings, and where several people speak."""

from __future__ import annotations

from services.results.page.ribbon import RibbonPiece, Segment, lanes_of
from shared.domain.speech import SpeakerTurn
from tests.exports.sample import transcript
from tests.results.page.test_lines import said


def turn(start: float, end: float, speaker: str = "S1") -> SpeakerTurn:
    return SpeakerTurn(start=start, end=end, speaker=speaker)


def test_lanes_join_equal_neighbours_and_keep_gaps() -> None:
    made = transcript((said(0, 0, 15), said(1, 15, 29.99), said(2, 45, 60), said(3, 50, 55, "S2")))
    lanes = lanes_of(made, emotion=False)
    assert [lane.segments for lane in lanes] == [
        (Segment(0.0, 50.0, "unread"), Segment(75.0, 25.0, "unread")),
        (Segment(83.25, 8.5, "unread"),),
    ]
    labels = {segment.label for lane in lanes_of(made, emotion=True) for segment in lane.segments}
    assert labels == {"sadness", "unread"}


def test_a_turn_has_the_readings_of_what_was_said_in_it() -> None:
    read = transcript().utterances[0]
    spoken = read.model_copy(update={"start": 12.0, "end": 14.0, "speaker": "S1"})
    made = transcript((spoken,)).model_copy(update={"turns": (turn(10, 13), turn(13.5, 20))})
    (ana,) = lanes_of(made, emotion=True)
    assert ana.pieces == (
        RibbonPiece(10, 12, "unread"),
        RibbonPiece(12, 13, "sadness"),
        RibbonPiece(13.5, 14, "sadness"),
        RibbonPiece(14, 20, "unread"),
    )
    assert {piece.label for piece in lanes_of(made, emotion=False)[0].pieces} == {"unread"}


def test_overlaps_are_in_the_lanes_of_all_who_speak() -> None:
    turns = (turn(0, 10), turn(4, 6, "S2"), turn(9, 12, "S2"), turn(11, 11.5), turn(20, 21), turn(21, 22, "S2"))
    made = transcript((said(0, 0, 10), said(1, 4, 12, "S2"))).model_copy(update={"turns": turns})
    ana, ben = lanes_of(made, emotion=True)
    both = (RibbonPiece(4, 6, "overlap"), RibbonPiece(9, 10, "overlap"), RibbonPiece(11, 11.5, "overlap"))
    assert (ana.overlapped, ben.overlapped) == (both, both)
    assert [segment.label for segment in ana.overlaps] == ["overlap"] * 3


def test_a_long_meeting_has_a_small_ribbon() -> None:
    made = transcript(tuple(said(n, n, n + 1, f"S{n % 2 + 1}") for n in range(4000)))
    assert sum(len(lane.segments) for lane in lanes_of(made, emotion=True)) <= 1600


def test_a_meeting_without_speech_has_no_lanes() -> None:
    assert lanes_of(transcript(()), emotion=True) == ()

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.span import Span, span
from shared.domain.speech import SpeakerTurn
from shared.pipeline.diarize import agreement
from shared.pipeline.local_speech import pieces_of, seconds_alone
from shared.pipeline.speaker_turns import find_turns, vote
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import Floats
from tests.scaling import LIMIT, growth

STEP = 0.05


def segmentation(*windows: tuple[float, dict[int, list[tuple[float, float]]]], level: float = 1.0) -> Segmentation:
    """Windows of five seconds: the start, and for each voice its spans in seconds of the recording."""
    made = []
    for start, voices in windows:
        active = np.zeros((100, 3), dtype=np.float32)
        for voice, spans in voices.items():
            for begin, end in spans:
                active[max(0, round((begin - start) / STEP)) : max(0, round((end - start) / STEP)), voice] = level
        made.append(LocalSpeakers(round(start / STEP), active))
    return Segmentation(0.0, STEP, tuple(made))


def turns(
    segments: Segmentation, similarity: list[list[float]], speech: Sequence[Span] = (), pauses: Sequence[Span] = ()
) -> list[SpeakerTurn]:
    silent = np.zeros(segments.frames, dtype=bool)
    for pause in pauses:
        silent[round(pause.start / STEP) : round(pause.end / STEP)] = True
    return find_turns(segments, list(pieces_of(segments)), np.array(similarity, np.float32), speech, silent)


def placed(found: list[SpeakerTurn]) -> list[tuple[str, float, float]]:
    return [(turn.speaker, round(turn.start, 2), round(turn.end, 2)) for turn in found]


def test_windows_vote_for_the_speaker_of_a_voice() -> None:
    """The second window confuses the voices of the others; most votes decide."""
    windows = [(start, {0: [(0.0, 9.0)]}) for start in (0.0, 1.0, 2.0)]
    found = turns(segmentation(*windows), [[0.9, 0.5], [0.6, 0.65], [0.9, 0.5]])
    assert placed(found) == [("S1", 0, 7)]


def test_piece_with_more_speech_has_more_votes() -> None:
    windows = segmentation((0.0, {0: [(0.0, 5.0)], 1: []}), (0.0, {0: [(2.0, 2.3)]}))
    votes, _, _ = vote(windows, list(pieces_of(windows)), np.array([[0.9, 0.7], [0.7, 0.9]], np.float32))
    assert votes[42, 0] > votes[42, 1]


def test_overlap_has_both_speakers() -> None:
    found = turns(segmentation((0.0, {0: [(0, 3)], 1: [(2, 5)]})), [[0.9, 0.2], [0.2, 0.9]])
    assert placed(found) == [("S1", 0, 3), ("S2", 2, 5)]


def test_two_voices_of_one_speaker_are_two_speakers_where_they_overlap() -> None:
    """The second is the speaker that the weaker voice is more similar to than the rest."""
    found = turns(segmentation((0.0, {0: [(0, 5)], 1: [(2, 3)]})), [[0.9, 0.2, 0.1], [0.8, 0.7, 0.1]])
    assert placed(found) == [("S1", 0, 5), ("S2", 2, 3)]


def test_one_speaker_of_a_recording_cannot_overlap() -> None:
    found = turns(segmentation((0.0, {0: [(0, 5)], 1: [(2, 3)]})), [[0.9], [0.8]])
    assert placed(found) == [("S1", 0, 5)]
    assert found[0].confidence is None, "there is no other voice to compare it with"


def test_speakers_are_named_in_the_order_in_which_they_first_speak() -> None:
    windows = segmentation((0.0, {0: [(0, 2)], 1: [(3, 5)]}), (5.0, {2: [(6, 8)]}))
    found = turns(windows, [[0.1, 0.9], [0.9, 0.1], [0.2, 0.9]])
    assert placed(found) == [("S1", 0, 2), ("S2", 3, 5), ("S1", 6, 8)]


def test_short_pause_does_not_split_a_turn_and_a_moment_is_no_turn() -> None:
    windows = segmentation((0.0, {0: [(0, 1), (1.35, 2), (2.4, 3)], 1: [(4, 4.05), (4.5, 4.55)]}))
    assert placed(turns(windows, [[0.9, 0.1]] * 2 + [[0.9, 0.1]] + [[0.1, 0.9]] * 2)) == [("S1", 0, 2), ("S1", 2.4, 3)]


def test_faint_activity_counts_within_detected_speech_only() -> None:
    """The detector pads its spans by a tenth of a second and more."""
    loud = segmentation((0.0, {0: [(1, 2)]}))
    active = loud.windows[0].active + np.float32(0.3) * (loud.windows[0].active == 0)
    faint = Segmentation(0.0, STEP, (LocalSpeakers(0, active),))
    assert placed(turns(faint, [[0.9]])) == [("S1", 1, 2)]
    assert placed(turns(faint, [[0.9]], [span(0.35, 2.7)])) == [("S1", 0.5, 2.5)]
    assert placed(turns(loud, [[0.9]], [span(0.35, 2.7)])) == [("S1", 1, 2)]


def test_nobody_speaks_in_a_pause() -> None:
    found = turns(segmentation((0.0, {0: [(0, 5)]})), [[0.9]], [span(0, 5)], [span(1, 1.5), span(4, 5)])
    assert placed(found) == [("S1", 0, 1), ("S1", 1.5, 4)]


def test_confidence_grows_with_the_difference_in_similarity() -> None:
    window = segmentation((0.0, {0: [(0, 5)]}))
    clear, close = turns(window, [[0.9, 0.3]])[0], turns(window, [[0.9, 0.85]])[0]
    assert close.confidence is not None and clear.confidence is not None
    assert 0.5 < close.confidence < 0.8 < clear.confidence <= 1


def test_time_without_windows_has_no_turns() -> None:
    windows = segmentation((0.0, {0: [(0, 4)]}), (20.0, {0: [(21, 24)]}), (30.0, {}))
    assert placed(turns(windows, [[0.9], [0.9]], [span(0, 35)])) == [("S1", 0, 4), ("S1", 21, 24)]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_turns_of_one_speaker_are_in_order_and_do_not_overlap(seed: int, speakers: int) -> None:
    draw = np.random.default_rng(seed)
    levels = draw.random((3, 10, 3)).repeat(10, axis=1).astype(np.float32)
    windows = tuple(LocalSpeakers(number * 40, active) for number, active in enumerate(levels))
    segments = Segmentation(0.0, STEP, windows)
    pieces = list(pieces_of(segments))
    similarity: Floats = draw.random((len(pieces), speakers)).astype(np.float32)
    found = find_turns(segments, pieces, similarity, [], np.zeros(segments.frames, dtype=bool))
    assert [turn.start for turn in found] == sorted(turn.start for turn in found)
    assert all((turn.confidence is None) == (speakers == 1) for turn in found)
    assert all(turn.confidence is None or 0 <= turn.confidence <= 1 for turn in found)
    for speaker in {turn.speaker for turn in found}:
        own = [turn for turn in found if turn.speaker == speaker]
        assert all(one.end <= other.start for one, other in pairwise(own))
    assert len({turn.speaker for turn in found}) <= min(speakers, 9)


def test_recording_with_silent_voices_only_has_no_turns() -> None:
    assert turns(segmentation((0.0, {0: [(0, 5)]}), level=0.6), [[1.0]]) == []
    assert pytest.approx(turns(segmentation((0.0, {0: [(0, 5)]}), level=0.7), [[1.0]])[0].end) == 5.0


def test_one_unbroken_stretch_of_speech_takes_linear_time() -> None:
    def prepare(windows: int) -> Callable[[], object]:
        active = np.zeros((100, 3), dtype=np.float32)
        active[:60, 0] = active[40:, 1] = 1.0
        segments = Segmentation(0.0, STEP, tuple(LocalSpeakers(number * 20, active) for number in range(windows)))
        similarity = np.tile(np.eye(2, dtype=np.float32), (windows, 1))
        quiet = np.zeros(segments.frames, dtype=bool)
        whole = [span(0, segments.frames * STEP)]

        def run() -> None:
            pieces = list(pieces_of(segments))
            labels = np.tile([0, 1], windows)
            assert len(seconds_alone(segments, pieces)) == len(pieces) == len(labels)
            assert len(agreement(segments, pieces, labels, 2)) == 2
            assert find_turns(segments, pieces, similarity, whole, quiet)

        return run

    assert growth(prepare, 50) < LIMIT

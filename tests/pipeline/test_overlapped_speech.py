from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain.span import Span, span
from shared.domain.speech import Speech
from shared.domain.stage_event import StageEvent, StageProgressed
from shared.engines.clusterer_prototypes import PrototypeClusterer
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.diarize import Diarize
from shared.pipeline.overlapped_speech import (
    apply_segmentation,
    merge_turns,
    single_voice_windows,
    spans_above_threshold,
)
from shared.pipeline.resegment import VoiceTurn, Window
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import Audio, Floats, Progress
from tests.fakes import ScriptedEncoder, ScriptedSegmenter, probe, silent, tone, workspace, write_audio


def segmentation(speech: list[Span], overlap: list[Span] | None = None, seconds: float = 20) -> Segmentation:
    return ScriptedSegmenter(speech, overlap or []).segment(Audio(silent(seconds)), lambda share: None)


def turn(voice: int, start: float, end: float, confidence: float = 1.0) -> VoiceTurn:
    return VoiceTurn(voice, span(start, end), confidence)


def windows(*similarity: float, until: float = 20.0) -> list[Window]:
    return [
        Window(span(start, start + 1.6), np.array(similarity, dtype=np.float32))
        for start in np.arange(0, until - 1.6, 0.4).tolist()
    ]


def placed(turns: list[VoiceTurn]) -> list[tuple[int, float, float]]:
    return [(one.voice, round(one.span.start, 2), round(one.span.end, 2)) for one in turns]


def test_turns_are_trimmed_to_speech_and_keep_short_pauses() -> None:
    found = apply_segmentation([turn(0, 0, 8)], windows(0.9), segmentation([span(1, 3), span(3.2, 5), span(6, 7)]))
    assert placed(found) == [(0, 1, 5), (0, 6, 7)]


def test_turn_without_speech_is_removed() -> None:
    assert placed(
        apply_segmentation([turn(0, 0, 2), turn(1, 5, 8)], windows(0.9, 0.8), segmentation([span(5, 8)]))
    ) == [(1, 5, 8)]
    assert apply_segmentation([], [], segmentation([span(0, 5)], [span(1, 2)])) == []


def test_overlap_adds_the_most_likely_other_voice_nearby() -> None:
    turns = [turn(0, 0, 6, 0.9), turn(1, 6, 8), turn(2, 8, 9)]
    found = apply_segmentation(turns, windows(0.9, 0.5, 0.7), segmentation([span(0, 9)], [span(2, 3)]))
    assert placed(found) == [(0, 0, 6), (2, 2, 3), (1, 6, 8), (2, 8, 9)]
    assert found[1].confidence < 0.5, "the first voice has the stronger evidence, and gets the words"


def test_voice_without_a_turn_nearby_is_not_added() -> None:
    turns = [turn(0, 0, 3), turn(1, 17, 19)]
    assert placed(apply_segmentation(turns, windows(0.9, 0.8), segmentation([span(0, 20)], [span(1, 2)]))) == [
        (0, 0, 3),
        (1, 17, 19),
    ]


def test_overlap_at_a_speaker_change_belongs_to_both() -> None:
    turns = [turn(0, 0, 4), turn(1, 4, 8)]
    assert placed(apply_segmentation(turns, windows(0.8, 0.8), segmentation([span(0, 8)], [span(3.5, 4.5)]))) == [
        (0, 0, 4.5), (1, 3.5, 8),
    ]  # fmt: skip


def test_overlap_that_is_too_short_or_without_window_adds_no_voice() -> None:
    turns = [turn(0, 0, 4), turn(1, 4, 8)]
    spoken = segmentation([span(0, 8)], [span(2, 2.1), span(6, 7)])
    assert placed(apply_segmentation(turns, windows(0.8, 0.8, until=4), spoken)) == [(0, 0, 4), (1, 4, 8)]


def local_speakers(*turns: tuple[int, float, float], start: float = 0.0, seconds: float = 10.0) -> LocalSpeakers:
    """One window of the segmenter with the given activity of its three voices."""
    active = np.zeros((int(seconds * 10), 3), dtype=np.float32)
    for voice, begin, end in turns:
        active[int(begin * 10) : int(end * 10), voice] = 1
    return LocalSpeakers(start, active)


def with_local(*local: LocalSpeakers) -> Segmentation:
    frames = np.ones(200, dtype=np.float32)
    return Segmentation(0.0, 0.1, frames, frames * 0, local)


def test_window_with_two_voices_is_not_used_for_clustering() -> None:
    spoken = with_local(local_speakers((0, 0, 4), (1, 4, 8), (2, 6, 8)))
    found = single_voice_windows([span(1, 2.6), span(3.2, 4.8), span(4.5, 5.9), span(6.2, 7.8), span(8.5, 9.5)], spoken)
    assert found.tolist() == [True, False, True, False, True], "single, change, single, overlap, no active voice"


def test_nearest_segmenter_window_is_used() -> None:
    first, second = local_speakers((0, 0, 10)), local_speakers((0, 0, 5), (1, 0, 10), start=5.0)
    found = single_voice_windows([span(5.0, 6.6), span(8, 9.6), span(16, 17.6)], with_local(first, second))
    assert found.tolist() == [True, False, True], "first window, second window, no voice after both"


def test_every_window_is_used_without_local_speakers() -> None:
    assert single_voice_windows([span(0, 1), span(5, 6)], segmentation([span(0, 9)])).tolist() == [True, True]
    assert single_voice_windows([], with_local(local_speakers())).tolist() == []


def test_speech_threshold_has_hysteresis() -> None:
    made = Segmentation(2.0, 0.1, np.array([0.45, 0.6, 0.45, 0.3, 0.6], np.float32), np.zeros(5, np.float32))
    found = spans_above_threshold(made.speech, made, 0.5, 0.4)
    assert [(round(one.start, 3), round(one.end, 3)) for one in found] == [(2.1, 2.3), (2.4, 2.5)]


def test_adjacent_turns_of_one_voice_are_merged_with_mean_confidence() -> None:
    found = merge_turns([turn(0, 0, 3, 1.0), turn(0, 3, 4, 0.2), turn(0, 9, 10), turn(1, 1, 2)])
    assert placed(found) == [(0, 0, 4), (1, 1, 2), (0, 9, 10)]
    assert found[0].confidence == pytest.approx(0.8)


LOW, HIGH = 150.0, 850.0


def meeting() -> tuple[Floats, tuple[Span, ...]]:
    return np.concatenate([tone(5, LOW), tone(5, HIGH)]), (span(0, 10),)


def test_stage_writes_overlapping_turns(tmp_path: Path) -> None:
    samples, speech = meeting()
    events: list[StageEvent] = []
    work = workspace(
        tmp_path, "diarize", events, decode=probe(), detect_speech=SpeechMap(tracks=(Speech(spans=speech),))
    )
    write_audio(work, samples)
    without = Diarize(ScriptedEncoder(), PrototypeClusterer())
    stage = replace(without, segmenter=ScriptedSegmenter([span(0.5, 9.5)], [span(4, 6)]))
    stage.run(work, ())
    turns = Turns.model_validate_json((work.folder / "diarize.json").read_bytes()).turns
    assert [one.speaker for one in turns] == ["S1", "S2"]
    assert (turns[0].start, turns[0].end) == pytest.approx((0.5, 6.0), abs=0.06)
    assert (turns[1].start, turns[1].end) == pytest.approx((4.0, 9.5), abs=0.06)
    shares = [event.fraction for event in events if isinstance(event, StageProgressed)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert stage.engine == "scripted-encoder+prototypes+scripted-segmenter"
    assert stage.identity() != without.identity()
    assert "segmenter" not in without.identity(), "artifacts from before segmenters stay valid"


def test_engines_are_not_called_without_speech() -> None:
    class UncallableSegmenter(ScriptedSegmenter):
        def segment(self, audio: Audio, progress: Progress) -> Segmentation:
            raise AssertionError("the segmenter was called without speech")

    encoder = ScriptedEncoder()
    stage = Diarize(encoder, PrototypeClusterer(), segmenter=UncallableSegmenter([]))
    assert stage.diarize(Audio(silent(5.0)), [], lambda share: None) == []
    assert encoder.calls == 0


def test_overlap_is_not_a_third_voice() -> None:
    """Overlapped speech is similar to neither voice; the segmenter detects both voices in it."""
    audio, speech = Audio(np.concatenate([tone(5, LOW), tone(3, 450.0), tone(5, HIGH)])), [span(0, 13)]
    without = Diarize(ScriptedEncoder(), PrototypeClusterer())
    assert len({one.speaker for one in without.diarize(audio, speech, lambda share: None)}) == 3
    local = LocalSpeakers(0.0, np.zeros((260, 3), dtype=np.float32))
    local.active[:160, 0] = local.active[100:, 1] = 1
    stage = replace(without, segmenter=ScriptedSegmenter(speech, local=(local,)))
    assert len({one.speaker for one in stage.diarize(audio, speech, lambda share: None)}) == 2

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.span import Span, span
from shared.domain.speech import SpeakerTurn, Speech
from shared.engines.clusterer_prototypes import PrototypeClusterer
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.diarize import Diarize, windows_over
from shared.pipeline.diarize_tracks import DiarizeTracks
from shared.pipeline.resegment import Window, turns_of
from shared.ports.media import Audio, Floats
from tests.fakes import ScriptedEncoder, probe, silent, tone, workspace, write_audio

LOW, MIDDLE, HIGH = 150.0, 450.0, 850.0


def stage(speakers: int | None = None, max_speakers: int | None = None) -> Diarize:
    return Diarize(ScriptedEncoder(), PrototypeClusterer(), speakers, max_speakers)


def conversation(*parts: tuple[float, float]) -> tuple[Audio, tuple[Span, ...]]:
    """Voices as tones, with half a second of silence between them."""
    sound: list[Floats] = []
    spans: list[Span] = []
    now = 0.0
    for hertz, seconds in parts:
        sound += [tone(seconds, hertz), silent(0.5)]
        spans.append(span(now, now + seconds))
        now += seconds + 0.5
    return Audio(np.concatenate(sound)), tuple(spans)


def diarized(audio: Audio, speech: tuple[Span, ...], **options: int) -> list[SpeakerTurn]:
    return stage(**options).diarize(audio, speech, lambda share: None)


def test_voices_are_separated_and_named_in_order_of_appearance() -> None:
    audio, speech = conversation((HIGH, 4), (LOW, 4), (HIGH, 4), (MIDDLE, 4))
    turns = diarized(audio, speech)
    assert [turn.speaker for turn in turns] == ["S1", "S2", "S1", "S3"]
    assert [turn.span for turn in turns] == list(speech)


def test_speaker_change_within_one_span_is_located() -> None:
    audio = Audio(np.concatenate([tone(5, LOW), tone(5, HIGH)]))
    turns = diarized(audio, (span(0, 10),))
    assert [turn.speaker for turn in turns] == ["S1", "S2"]
    assert turns[0].end == turns[1].start == pytest.approx(5.0, abs=0.3)
    assert (turns[0].start, turns[1].end) == (0, 10)


@pytest.mark.parametrize(
    ("requested", "count"),
    [({"speakers": 1}, 1), ({"speakers": 2}, 2), ({"max_speakers": 2}, 2), ({"max_speakers": 9}, 3)],
)
def test_number_of_speakers_can_be_set(requested: dict[str, int], count: int) -> None:
    audio, speech = conversation((HIGH, 4), (LOW, 4), (MIDDLE, 4), (HIGH, 3), (LOW, 3))
    assert len({turn.speaker for turn in diarized(audio, speech, **requested)}) == count


def test_no_speech_gives_no_speakers() -> None:
    assert diarized(Audio(silent(2)), ()) == []
    assert diarized(Audio(tone(2)), (span(0, 0.2),)) == [], "a click is no voice"


def test_short_words_are_diarized() -> None:
    audio, speech = conversation((HIGH, 0.7), (LOW, 0.7), (HIGH, 0.7))
    assert [turn.speaker for turn in diarized(audio, speech)] != []


def test_windows_cover_each_span_and_stay_inside() -> None:
    windows = list(windows_over([span(0, 0.3), span(1, 2), span(5, 10)], 1.6))
    assert windows[0] == span(1, 2)
    assert (windows[1].start, windows[-1].end) == (5, 10)
    assert all(window.duration == pytest.approx(1.6) for window in windows[1:])


def test_stage_writes_turns(tmp_path: Path) -> None:
    audio, speech = conversation((HIGH, 3), (LOW, 3))
    work = workspace(tmp_path, "diarize", decode=probe(), detect_speech=SpeechMap(tracks=(Speech(spans=speech),)))
    write_audio(work, audio.samples)
    one = stage()
    one.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [turn.speaker for turn in made.turns] == ["S1", "S2"]
    assert one.engine == "scripted-encoder+prototypes"
    assert one.identity() != stage(speakers=2).identity()


def test_each_track_is_one_speaker(tmp_path: Path) -> None:
    tracks = (Speech(track="Ana", spans=(span(1, 3),)), Speech(track="Ben", spans=(span(0, 2),)))
    work = workspace(tmp_path, "diarize", detect_speech=SpeechMap(tracks=tracks))
    one = DiarizeTracks()
    one.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [(turn.speaker, turn.start) for turn in made.turns] == [("S2", 0), ("S1", 1)]
    assert made.names == {"S1": "Ana", "S2": "Ben"}
    assert one.identity() == DiarizeTracks().identity()


def window(start: float, end: float, *similarity: float) -> Window:
    return Window(span(start, end), np.array(similarity, dtype=np.float32))


def test_single_deviating_window_is_smoothed() -> None:
    windows = [window(n * 0.4, n * 0.4 + 1.6, 0.9, 0.5) for n in range(10)]
    windows[5] = window(2.0, 3.6, 0.6, 0.65)
    assert [turn.speaker for turn in turns_of(windows, [span(0, 5.2)])] == ["S1"]


def test_confidence_grows_with_the_margin() -> None:
    clear = turns_of([window(0, 2, 0.9, 0.3)], [span(0, 2)])[0].confidence
    close = turns_of([window(0, 2, 0.9, 0.85)], [span(0, 2)])[0].confidence
    alone = turns_of([window(0, 2, 0.4)], [span(0, 2)])[0].confidence
    assert alone == 1.0
    assert close is not None and clear is not None and close < clear


def test_frames_without_window_use_the_nearest_scores() -> None:
    turns = turns_of([window(0, 1, 0.9, 0.1), window(4, 5, 0.1, 0.9)], [span(0, 5)])
    assert [turn.speaker for turn in turns] == ["S1", "S2"]
    assert turns_of([window(0, 1, 0.9)], [span(3, 4)]) == [], "a stretch without a window has no turn"


def test_windows_are_embedded_in_batches_of_similar_length() -> None:
    audio, speech = conversation((HIGH, 0.5), (LOW, 1.0), (HIGH, 4), (LOW, 4))
    made = stage()
    made.diarize(audio, speech, lambda share: None)
    assert made.encoder.calls >= 3  # type: ignore[attr-defined]

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.domain.span import Span, span
from shared.domain.speech import SpeakerTurn, Speech
from shared.domain.stage_event import StageEvent, StageProgressed
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.diarize import Diarize, agreement, conflicts, threshold_loss, with_context
from shared.pipeline.diarize_tracks import DiarizeTracks
from shared.pipeline.local_speech import Piece
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import Audio, Floats
from tests.fakes import ScriptedEncoder, ScriptedSegmenter, probe, silent, tone, workspace, write_audio

LOW, MIDDLE, HIGH = 150.0, 450.0, 850.0


def conversation(*parts: tuple[float, float], pause: float = 0.5) -> tuple[Audio, list[tuple[float, Span]]]:
    """Voices as tones, with silence between them, and the pitch and span of each turn."""
    sound: list[Floats] = []
    turns: list[tuple[float, Span]] = []
    now = 0.0
    for hertz, seconds in parts:
        sound += [tone(seconds, hertz), silent(pause)]
        turns.append((hertz, span(now, now + seconds)))
        now += seconds + pause
    return Audio(np.concatenate(sound)), turns


def stage(turns: list[tuple[float, Span]], speakers: int | None = None, max_speakers: int | None = None) -> Diarize:
    voices = [[where for hertz, where in turns if hertz == voice] for voice in (LOW, MIDDLE, HIGH)]
    return Diarize(ScriptedSegmenter(voices), ScriptedEncoder(), speakers, max_speakers)


def diarized(*parts: tuple[float, float], pause: float = 0.5, **options: int) -> list[SpeakerTurn]:
    audio, turns = conversation(*parts, pause=pause)
    speech = [where for _, where in turns]
    return stage(turns, **options).diarize(audio, speech, lambda share: None)


def placed(turns: list[SpeakerTurn]) -> list[tuple[str, float, float]]:
    return [(turn.speaker, round(turn.start, 1), round(turn.end, 1)) for turn in turns]


def test_voices_are_recognised_across_windows_and_named_in_order_of_appearance() -> None:
    assert placed(diarized((HIGH, 4), (LOW, 4), (HIGH, 4), (MIDDLE, 4))) == [
        ("S1", 0, 4), ("S2", 4.5, 8.5), ("S1", 9, 13), ("S3", 13.5, 17.5),
    ]  # fmt: skip


def test_speaker_change_without_a_pause_is_located() -> None:
    assert placed(diarized((LOW, 5), (HIGH, 5), pause=0.0)) == [("S1", 0, 5), ("S2", 5, 10)]


@pytest.mark.parametrize(
    ("requested", "count"),
    [({"speakers": 1}, 1), ({"speakers": 2}, 2), ({"max_speakers": 2}, 2), ({"max_speakers": 9}, 3)],
)
def test_number_of_speakers_can_be_set(requested: dict[str, int], count: int) -> None:
    turns = diarized((HIGH, 4), (LOW, 4), (MIDDLE, 4), (HIGH, 3), (LOW, 3), **requested)
    assert len({turn.speaker for turn in turns}) == count


def test_overlapping_turns_keep_both_speakers() -> None:
    """The segmenter hears both voices from the fourth to the sixth second."""
    audio = Audio(np.concatenate([tone(6, LOW), tone(4, HIGH)]))
    turns = [(LOW, span(0, 6)), (HIGH, span(4, 10))]
    found = stage(turns).diarize(audio, [span(0, 10)], lambda share: None)
    assert placed(found) == [("S1", 0, 6), ("S2", 4, 10)]


def test_overlap_is_not_a_third_voice() -> None:
    """Two voices together resemble neither, but what each says alone is clustered."""
    audio = Audio(np.concatenate([tone(5, LOW), tone(3, MIDDLE), tone(5, HIGH)]))
    turns = [(LOW, span(0, 8)), (HIGH, span(5, 13))]
    assert {turn.speaker for turn in stage(turns).diarize(audio, [span(0, 13)], lambda share: None)} == {"S1", "S2"}


def test_recording_of_one_speaker_has_one_speaker() -> None:
    assert {turn.speaker for turn in diarized((LOW, 3), (LOW, 1), (LOW, 0.5), (LOW, 7))} == {"S1"}


def test_short_words_are_diarized() -> None:
    assert placed(diarized((HIGH, 0.7), (HIGH, 0.7), pause=1.0)) == [("S1", 0, 0.7), ("S1", 1.7, 2.4)]


def test_recording_without_voices_has_no_turns() -> None:
    encoder = ScriptedEncoder()
    for audio in (Audio(silent(7)), Audio(silent(0))):
        assert Diarize(ScriptedSegmenter([[]]), encoder).diarize(audio, [], lambda share: None) == []
    assert encoder.calls == 0


def test_stage_writes_turns_and_reports_progress(tmp_path: Path) -> None:
    audio, turns = conversation((HIGH, 3), (LOW, 3))
    speech = tuple(where for _, where in turns)
    events: list[StageEvent] = []
    work = workspace(
        tmp_path, "diarize", events, decode=probe(), detect_speech=SpeechMap(tracks=(Speech(spans=speech),))
    )
    write_audio(work, audio.samples)
    one = stage(turns)
    one.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [turn.speaker for turn in made.turns] == ["S1", "S2"]
    shares = [event.fraction for event in events if isinstance(event, StageProgressed)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert one.engine == "scripted-segmenter+scripted-encoder"


def test_identity_covers_engines_and_options() -> None:
    one = stage([])
    others = [
        stage([], speakers=2),
        stage([], max_speakers=2),
        replace(one, encoder=ScriptedEncoder(fingerprint="2")),
        replace(one, encoder=ScriptedEncoder(same_voice=0.7)),
        replace(one, segmenter=ScriptedSegmenter([], fingerprint="2")),
    ]
    assert all(other.identity() != one.identity() for other in others)
    assert stage([]).identity() == one.identity()


def test_same_recording_gives_the_same_turns() -> None:
    parts = ((HIGH, 4), (LOW, 4), (MIDDLE, 2), (HIGH, 4))
    assert diarized(*parts) == diarized(*parts)


def piece(window: int, voice: int, seconds: float) -> Piece:
    return Piece(window, voice, 0, 100, np.arange(round(seconds * 10)))


def test_long_pieces_of_two_voices_of_one_window_conflict() -> None:
    pieces = [piece(0, 0, 2), piece(0, 0, 1), piece(0, 1, 1), piece(0, 2, 0.2), piece(1, 0, 3), piece(1, 1, 0.4)]
    assert conflicts(pieces, 0.1).tolist() == [[0, 2], [1, 2]]
    assert conflicts(pieces[:1], 0.1).shape == (0, 2)


def test_short_piece_is_assigned_with_the_rest_of_its_voice() -> None:
    pieces = [piece(0, 0, 4), piece(0, 0, 0.1), piece(0, 1, 0.1)]
    mixed = with_context(np.eye(3, dtype=np.float32)[[0, 1, 1]], pieces, np.array([4, 0.1, 0.1], np.float32))
    assert mixed[0].argmax() == mixed[1].argmax() == 0
    assert mixed[2].tolist() == pytest.approx([0, 1, 0]), "another voice of the window is no context"
    assert np.linalg.norm(mixed, axis=1) == pytest.approx(np.ones(3))


def test_each_track_is_one_speaker(tmp_path: Path) -> None:
    tracks = (Speech(track="Ana", spans=(span(1, 3),)), Speech(track="Ben", spans=(span(0, 2),)))
    work = workspace(tmp_path, "diarize", detect_speech=SpeechMap(tracks=tracks))
    one = DiarizeTracks()
    one.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [(turn.speaker, turn.start) for turn in made.turns] == [("S2", 0), ("S1", 1)]
    assert made.names == {"S1": "Ana", "S2": "Ben"}
    assert one.identity() == DiarizeTracks().identity()


def test_windows_agree_on_the_voices_that_are_people() -> None:
    """The third voice is recognised by one of the three windows that hear its moments."""
    windows = tuple(LocalSpeakers(0, np.zeros((100, 3), dtype=np.float32)) for _ in range(3))
    early, late = np.arange(0, 50), np.arange(60, 100)
    pieces = [Piece(window, 0, 0, 50, early) for window in range(3)] + [
        Piece(window, 0, 60, 100, late) for window in range(3)
    ]
    found = agreement(Segmentation(0.0, 0.02, windows), pieces, np.array([0, 0, 0, 1, 1, 2]), 4)
    assert found.tolist() == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_voices_that_never_speak_alone_have_no_agreement() -> None:
    windows = (LocalSpeakers(0, np.ones((100, 2), dtype=np.float32)),)
    pieces = [Piece(0, voice, 0, 100, np.arange(0)) for voice in range(2)]
    assert agreement(Segmentation(0.0, 0.02, windows), pieces, np.array([0, 1]), 2).tolist() == [0, 0]


def test_voice_that_windows_do_not_agree_on_is_no_speaker() -> None:
    """A window in five takes a part of the only voice for another, whose embedding differs."""
    audio, turns = conversation((LOW, 40))
    spans = [where for _, where in turns]

    class DoubtingEncoder(ScriptedEncoder):
        def embed(self, clips: Sequence[Floats]) -> Floats:
            found = super().embed(clips)
            found[::5] = super().embed([tone(1.6, HIGH)])
            return found

    one = replace(stage(turns), encoder=DoubtingEncoder())
    assert {turn.speaker for turn in one.diarize(audio, spans, lambda share: None)} == {"S1"}
    two = replace(one, speakers=2)
    assert {turn.speaker for turn in two.diarize(audio, spans, lambda share: None)} == {"S1", "S2"}


@pytest.mark.parametrize(("long", "loss"), [(0.0, 0.14), (0.235, 0.07), (0.47, 0.0), (1.0, 0.0)])
def test_threshold_of_one_voice_falls_where_speech_is_in_short_pieces(long: float, loss: float) -> None:
    seconds, alone = np.array([long, 1 - long], dtype=np.float32), np.array([4.0, 1.2], dtype=np.float32)
    assert threshold_loss(seconds, alone) == pytest.approx(loss, abs=1e-6)

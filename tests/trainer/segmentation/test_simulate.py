"""Simulated conversations: reproducible, labelled with speech, split by speaker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.trainer.segmentation.simulate import Conversation, simulate_conversation
from services.trainer.segmentation.voices import TICK, Voice, marked, read_voices, split
from services.trainer.segmentation.window_cache import DECISIONS, FRAMES, TICKS, UNKNOWN, labels_of, read_windows
from shared.domain.error import InvalidRequest
from shared.engines.features.segmentation_mel import BANDS
from shared.ports.media import SAMPLE_RATE
from tests.fakes import silent, tone


def voices(count: int) -> list[Voice]:
    sounds = [np.concatenate([tone(3, 150.0 + 90 * number), silent(0.6), tone(2, 170.0)]) for number in range(count)]
    return [Voice(f"librispeech {number:02}", (marked(sound),)) for number, sound in enumerate(sounds)]


def test_short_pauses_count_as_speech_and_long_ones_do_not() -> None:
    _, marks = marked(np.concatenate([tone(1), silent(0.2), tone(1), silent(0.5), tone(1), silent(1)]))
    assert marks[:220].all()
    assert not marks[225:265].any()
    assert marks[270:370].all()
    assert not marks[375:].any()
    assert not marked(silent(1))[1].any()
    assert len(marked(silent(0))[1]) == 0


def test_the_same_seed_gives_the_same_conversation() -> None:
    cast = voices(5)
    one, again, other = (
        simulate_conversation(cast, 1, 3),
        simulate_conversation(cast, 1, 3),
        simulate_conversation(cast, 2, 3),
    )
    assert np.array_equal(one.sound, again.sound)
    assert np.array_equal(one.speaks, again.speaks)
    assert not np.array_equal(one.sound, other.sound)


def test_conversations_vary_in_level_and_overlap() -> None:
    cast = voices(9)
    made = [simulate_conversation(cast, 1, number) for number in range(24)]
    levels = [20 * np.log10(np.sqrt(np.square(one.sound).mean()) + 1e-9) for one in made]
    assert min(levels) < -40
    assert max(levels) > -22
    assert {2, 3, 4} <= {len(one.speaks) for one in made}
    shares = [float((one.speaks.sum(0) > 1).sum() / max(1, one.speaks.any(0).sum())) for one in made]
    assert min(shares) == 0.0
    assert max(shares) > 0.3
    assert all(np.isfinite(one.sound).all() and np.abs(one.sound).max() <= 1 for one in made)


def test_a_label_contains_the_three_voices_with_the_most_speech() -> None:
    speaks = np.zeros((4, DECISIONS * TICKS), dtype=bool)
    speaks[2, :400] = speaks[0, 300:600] = speaks[3, 600:700] = True
    speaks[1, 900:908] = True
    label = labels_of(Conversation(silent(10), speaks), 0)
    at = [50 // TICKS, 350 // TICKS, 500 // TICKS, 650 // TICKS, 800 // TICKS, 904 // TICKS]
    assert label[at].tolist() == [0b001, 0b011, 0b010, 0b100, 0, UNKNOWN]


def test_three_simultaneous_speakers_are_labelled_unknown() -> None:
    speaks = np.zeros((3, DECISIONS * TICKS), dtype=bool)
    speaks[:, 100:200] = True
    label = labels_of(Conversation(silent(10), speaks), 0)
    assert label[150 // TICKS] == UNKNOWN
    assert label[250 // TICKS] == 0


def test_windows_are_computed_once(tmp_path: Path) -> None:
    cast = voices(4)
    made = read_windows(cast, 5, 1, tmp_path, "train")
    assert made.mels.shape == (5, FRAMES, BANDS)
    assert made.labels.shape == (5, DECISIONS)
    assert np.isfinite(made.mels.astype(np.float32)).all()
    assert len(list(tmp_path.iterdir())) == 2
    again = read_windows([], 5, 1, tmp_path, "train")
    assert np.array_equal(again.labels, made.labels)


def test_held_out_speakers_are_not_in_the_training_set() -> None:
    learnt, held_out = split(voices(21))
    assert [voice.speaker for voice in held_out] == ["librispeech 00", "librispeech 08", "librispeech 16"]
    assert not {voice.speaker for voice in learnt} & {voice.speaker for voice in held_out}


def test_a_folder_without_speakers_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        read_voices(tmp_path)


def test_ticks_divide_a_second() -> None:
    assert SAMPLE_RATE % TICK == 0

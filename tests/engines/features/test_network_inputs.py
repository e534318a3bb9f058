"""Inputs of the trained fusion networks: shapes, values and masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.domain.emotion import Modality
from shared.engines.features.network_inputs import MAX_FACES, MAX_SECONDS, InputSpec, dialogue_windows, stack
from shared.ports.engines import Calibration, Encoding, FaceClip, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Audio
from tests.fakes import tone, utterance

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE


def clip(seconds: float = 2.0, faces: int = 5) -> UtteranceClip:
    crops = np.random.default_rng(0).integers(0, 255, (faces, 48, 48)).astype(np.uint8)
    face = FaceClip(np.arange(faces, dtype=np.float32), crops, np.ones(faces, np.float32), 1.0, 1.0)
    return UtteranceClip(utterance(0, 0, 1), Audio(tone(seconds)), face)


def encoding(modality: Modality, missing: str | None = None, width: int = 3) -> Encoding:
    return Encoding(
        modality, np.full((1, 7), 2, np.float32), np.full((1, width), 5, np.float32), (missing,),
        np.ones(1, np.float32), calibration=Calibration(temperature=2.0),
    )  # fmt: skip


def plan(name: str, **axes: list[int | str]) -> InputSpec:
    return InputSpec.of(name, axes)


LATE = plan(
    "late-fusion", text=["row", 10], text_mask=["row"], voice=["row", 64, "frame"], voice_mask=["row", "frame"],
    face=["row", 10], face_mask=["row"],
)  # fmt: skip
CLIPS = plan("mme2e", text=["row", 10], voice=["row", "step", 1, 128, 32], face=["row", "face", 3, 48, 48])


def test_engine_output_is_calibrated_logits_and_features() -> None:
    inputs = LATE.inputs_of(clip(), [encoding(TEXT), encoding(FACE)], 0)
    assert inputs[TEXT].tolist() == [1.0] * 7 + [5.0] * 3
    assert LATE.engines == (TEXT, FACE) and CLIPS.engines == (TEXT,)


def test_each_network_gets_audio_in_its_own_shape() -> None:
    voice = [encoding(VOICE)]
    frames = LATE.inputs_of(clip(2.0), voice, 0)[VOICE].shape[1]
    assert LATE.inputs_of(clip(2.0), voice, 0)[VOICE].shape == (64, frames) and 195 <= frames <= 205
    slices = CLIPS.inputs_of(clip(2.0), voice, 0)[VOICE]
    assert slices.shape == (-(-frames // 32), 1, 128, 32)
    windows = plan("ensemble", text=["row", 7], voice=["row", "window", 128, 128], face=["row", 7])
    inputs = windows.inputs_of(clip(2.0), voice, 0)[VOICE]
    assert inputs.shape == (3, 128, 128)
    # Windows overlap by half.
    np.testing.assert_array_equal(inputs[0][:, 64:], inputs[1][:, :64])
    states = plan("av-transformer", voice=["row", "step", 1, 64], face=["row", "face", 3, 48, 48])
    np.testing.assert_array_equal(
        states.inputs_of(clip(2.0), voice, 0)[VOICE][:, 0].T, LATE.inputs_of(clip(2.0), voice, 0)[VOICE]
    )


def test_long_utterances_are_truncated() -> None:
    long = replace(clip(40.0), face=clip(faces=90).face)
    inputs = CLIPS.inputs_of(long, [encoding(VOICE), encoding(FACE)], 0)
    assert inputs[VOICE].shape[0] <= MAX_SECONDS * 100 / 32 + 2
    assert inputs[FACE].shape == (MAX_FACES, 3, 48, 48)
    np.testing.assert_array_equal(inputs[FACE][:, 0], inputs[FACE][:, 2])
    assert np.abs(inputs[FACE].mean((2, 3))).max() < 1e-3, "each face is normalized"


def test_unavailable_modality_is_left_out_and_masked() -> None:
    inputs = LATE.inputs_of(clip(), [encoding(TEXT), encoding(VOICE, "low_snr"), encoding(FACE)], 0)
    assert set(inputs) == {TEXT, FACE}
    batch = LATE.batch([[inputs], [LATE.inputs_of(clip(1.0), [encoding(VOICE)], 0)]], [["Ana"], ["Ben"]])
    assert list(batch) == list(LATE.tensors)
    assert batch["text_mask"].tolist() == [True, False] and batch["face_mask"].tolist() == [True, False]
    assert not batch["voice_mask"][0].any() and not batch["voice"][0].any()
    assert batch["voice_mask"][1].all() and batch["voice"].shape[2] == batch["voice_mask"].shape[1]


def test_dialogues_are_padded_and_speakers_are_ids() -> None:
    axes: dict[str, list[int | str]] = {
        "text": ["row", "utterance", 10], "voice": ["row", "utterance", 10], "face": ["row", "utterance", 10],
        "text_mask": ["row", "utterance"], "speakers": ["row", "utterance"],
    }  # fmt: skip
    sdt = InputSpec.of("sdt", axes)
    one = sdt.inputs_of(clip(), [encoding(TEXT)], 0)
    batch = sdt.batch([[one, {}, one], [one]], [["Ana", "Ben", "Ana"], ["Cem"]])
    assert batch["text"].shape == (2, 3, 10)
    assert batch["text_mask"].tolist() == [[True, False, True], [True, False, False]]
    assert batch["speakers"].tolist() == [[0, 1, 0], [0, 0, 0]]


def test_stack_without_arrays_is_one_masked_step() -> None:
    values, mask = stack([None, None], (64, None))
    assert values.shape == (2, 64, 1) and mask.tolist() == [[False], [False]]


@pytest.mark.parametrize("count", [1, 32, 33, 47, 48, 49, 200])
def test_every_utterance_of_a_dialogue_is_used_once_with_context(count: int) -> None:
    parts = dialogue_windows(count)
    assert [number for _, used in parts for number in used] == list(range(count))
    for read, used in parts:
        assert len(read) == min(count, 32) and set(used) <= set(read)
        for number in used:
            before, after = number - read.start, read.stop - 1 - number
            assert before >= min(7, number) and after >= min(7, count - 1 - number)


def test_mel_frames_have_the_expected_rate() -> None:
    assert LATE.inputs_of(clip(1.0), [encoding(VOICE)], 0)[VOICE].shape[1] == pytest.approx(SAMPLE_RATE / 160, abs=3)

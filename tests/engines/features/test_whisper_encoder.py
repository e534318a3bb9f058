"""The first layers of Whisper, compared with CTranslate2 on the micro-Whisper."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from shared.domain.error import EngineUnavailable
from shared.engines.features.ctranslate2_tensors import read_tensors
from shared.engines.features.whisper_encoder import WINDOW, WhisperEncoder, whisper_mel
from shared.ports.media import SAMPLE_RATE, Floats

MODEL = Path(__file__).parents[2] / "fixtures" / "micro_whisper" / "model.bin"
LAYERS = 2


def voice(seconds: float, pitch: float = 140.0) -> Floats:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.2 * np.sign(np.sin(2 * np.pi * pitch * times)) * np.sin(6 * times), dtype=np.float32)


@pytest.fixture(scope="module")
def encoder() -> WhisperEncoder:
    return WhisperEncoder.load(MODEL, LAYERS)


def test_the_layers_agree_with_ctranslate2(encoder: WhisperEncoder) -> None:
    """CTranslate2 returns the last layer of a window of 30 s, after a normalisation that is done here by hand."""
    mel = whisper_mel(voice(30))[:3000]
    model = ctranslate2.models.Whisper(str(MODEL.parent), device="cpu", compute_type="float32")
    (theirs,) = np.array(model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.T[None])), True))
    last = encoder.encode(mel)[-1]
    norm = read_tensors(MODEL, ("encoder/layer_norm",))
    normed = (last - last.mean(axis=1, keepdims=True)) / np.sqrt(last.var(axis=1, keepdims=True) + 1e-5)
    ours = normed * norm["encoder/layer_norm/gamma"] + norm["encoder/layer_norm/beta"]
    assert np.abs(ours - theirs).max() < 0.01 * np.abs(theirs).max()
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999


def test_statistics_depend_on_the_voice_and_not_on_level_or_silence(encoder: WhisperEncoder) -> None:
    sound, silence = voice(2), np.zeros(SAMPLE_RATE, dtype=np.float32)
    found = encoder.statistics(sound)
    assert found.shape == (LAYERS + 1, 2, 64)
    assert np.array_equal(found, encoder.statistics(sound))
    np.testing.assert_allclose(encoder.statistics(0.25 * sound), found, atol=1e-3)
    padded = encoder.statistics(np.concatenate([silence, sound, silence]))
    assert np.abs(padded - found).max() < 0.2 * np.abs(encoder.statistics(voice(2, pitch=320)) - found).max()


def test_a_long_utterance_is_read_in_windows_to_its_end(encoder: WhisperEncoder) -> None:
    half, other = voice(WINDOW / SAMPLE_RATE), voice(WINDOW / SAMPLE_RATE, pitch=320)
    both = encoder.statistics(np.concatenate([half, other]))
    np.testing.assert_allclose(both, (encoder.statistics(half) + encoder.statistics(other)) / 2, atol=0.05)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"\x05\x00\x00\x00" + MODEL.read_bytes()[4:])
    with pytest.raises(EngineUnavailable, match="format") as caught:
        WhisperEncoder.load(path, LAYERS)
    assert caught.value.hint

"""Voice emotion on Whisper's layers: the micro-Whisper with a random head, and Whisper base where it is present."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.domain.emotion import EMOTIONS
from shared.domain.error import EngineUnavailable
from shared.engines.catalog import VOICE, Setup, choose
from shared.engines.features.whisper_encoder import WhisperEncoder
from shared.engines.settings import EngineSettings
from shared.engines.voice_whisper import FEW, Head, VoiceWhisper, centred
from shared.engines.weights.description import DEFAULT, find_weights
from shared.engines.weights.installed import require_weights
from shared.engines.weights.model_cards import load_card
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Audio, Floats
from tests.fakes import silent, utterance

MICRO = Path(__file__).parents[1] / "fixtures" / "micro_whisper"
LAYERS, WIDTH = 2, 64


def voice(seconds: float, pitch: float = 140.0) -> Floats:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = np.sign(np.sin(2 * np.pi * pitch * times)) * np.clip(np.sin(2 * np.pi * 3 * times), 0, 1)
    return np.asarray(0.2 * buzz + np.random.default_rng(0).normal(0, 1e-4, len(times)), dtype=np.float32)


def clip_of(samples: Floats, speaker: str = "S1") -> UtteranceClip:
    return UtteranceClip(utterance(0, 0, 2, speaker=speaker), Audio(samples), "no_video")


def quiet(_share: float) -> None:
    """Ignore the progress."""


@pytest.fixture(scope="module")
def engine() -> VoiceWhisper:
    encoder, draw = WhisperEncoder.load(MICRO / "model.bin", LAYERS), np.random.default_rng(0)
    shape = (LAYERS + 1, 2, WIDTH)
    head = Head(
        mark=encoder.mark,
        mean=np.zeros(shape, np.float32),
        deviation=np.ones(shape, np.float32),
        mix=np.full(LAYERS + 1, 1 / (LAYERS + 1), np.float32),
        weight=draw.normal(size=(len(EMOTIONS), 2 * WIDTH)).astype(np.float32),
        bias=np.zeros(len(EMOTIONS), np.float32),
    )
    return VoiceWhisper(encoder, head, load_card("voice_whisper"), "micro", 2)


@pytest.fixture(scope="module")
def encoding(engine: VoiceWhisper) -> Encoding:
    sounds = [voice(2), voice(0.5), voice(12, 250), silent(3)]
    return engine.encode([clip_of(sound, f"S{number}") for number, sound in enumerate(sounds)], quiet)


def test_short_or_silent_voice_is_unavailable(encoding: Encoding) -> None:
    assert encoding.unavailable == (None, "too_short", None, "low_snr")
    assert encoding.logits.shape == (4, len(EMOTIONS)) and encoding.features.shape == (4, 2 * WIDTH)
    assert not encoding.logits[[1, 3]].any() and encoding.logits[[0, 2]].any()
    assert encoding.reliability[[1, 3]].tolist() == [0, 0] and encoding.reliability[0] > 0
    assert encoding.fusion_weight == load_card("voice_whisper").fusion_weight is not None


def test_the_same_audio_gives_the_same_reading_beside_other_speakers(engine: VoiceWhisper, encoding: Encoding) -> None:
    alone, again = (engine.encode([clip_of(voice(2), "another name")], quiet).logits for _ in range(2))
    assert np.array_equal(alone, again)
    np.testing.assert_allclose(alone[0], encoding.logits[0], rtol=1e-4)


def test_utterances_are_compared_with_the_others_of_their_speaker(engine: VoiceWhisper) -> None:
    high, low = voice(2, 300), voice(2, 120)
    apart = engine.encode([clip_of(high, "S1"), clip_of(low, "S2")], quiet).logits
    together = engine.encode([clip_of(high, "S1"), clip_of(low, "S1")], quiet).logits
    assert np.abs(together - apart).max() > 0.1
    assert engine.encode([], quiet).logits.shape == (0, len(EMOTIONS))


def test_the_mean_of_a_speaker_counts_more_with_more_utterances() -> None:
    vectors = np.ones((1 + FEW, 2), np.float32)
    assert np.array_equal(centred(vectors[:1], np.array(["S1"])), vectors[:1])
    np.testing.assert_allclose(centred(vectors, np.array(["S1"] * (1 + FEW))), vectors / 2)
    mixed = centred(np.array([[1.0], [3.0], [9.0]], np.float32), np.array(["S1", "S1", "S2"]))
    assert mixed.ravel().tolist() == pytest.approx([1 - 2 / (1 + FEW), 3 - 2 / (1 + FEW), 9])


def test_another_whisper_is_refused(setup: Setup) -> None:
    with pytest.raises(EngineUnavailable, match="not the Whisper") as caught:
        VoiceWhisper.load(str(MICRO), setup)
    assert caught.value.hint == "undertone models fetch faster-whisper:base"


def test_without_whisper_the_bundled_network_is_chosen(setup: Setup) -> None:
    assert choose(VOICE, None, setup).name == "voice-cnn"
    with pytest.raises(EngineUnavailable, match="not on this machine") as caught:
        choose(VOICE, "whisper", setup)
    assert caught.value.hint == "undertone models fetch faster-whisper:base"


@pytest.fixture
def whisper_base(whisper: None) -> str:
    return str(require_weights(find_weights(DEFAULT), EngineSettings()))


@pytest.mark.weights
@pytest.mark.parametrize("name", ["whisper", "whisper-emodb"])
def test_whisper_base_reads_a_voice(whisper_base: str, setup: Setup, name: str) -> None:
    engine = choose(VOICE, f"{name}:{whisper_base}", setup)
    found = engine.encode([clip_of(voice(2), "S1"), clip_of(voice(3, 300), "S2")], quiet)
    assert found.unavailable == (None, None)
    assert np.isfinite(found.logits).all() and np.abs(found.logits[0] - found.logits[1]).max() > 0.1
    assert "voice-whisper" in engine.fingerprint


@pytest.mark.weights
def test_a_fine_tuned_copy_with_other_values_is_refused(whisper_base: str, setup: Setup, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whisper_base, tmp_path / "copy"))
    content = bytearray((copy / "model.bin").read_bytes())
    at = content.index(b"encoder/conv1/bias\0") + len(b"encoder/conv1/bias\0") + 1 + 4 + 1 + 4
    content[at : at + 1024] = np.full(512, 0.5, "<f2").tobytes()
    (copy / "model.bin").write_bytes(bytes(content))
    with pytest.raises(EngineUnavailable, match="not the Whisper"):
        VoiceWhisper.load(str(copy), setup)

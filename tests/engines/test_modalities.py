"""The text, voice and face networks with their bundled weights."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from shared.domain.emotion import EMOTIONS, Emotion, Modality
from shared.domain.error import EngineUnavailable
from shared.engines.catalog import ENCODERS, VOICE, Setup, choose
from shared.engines.features.mel import filters, mel_power, to_hertz, to_mel
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.text_minilm import reliability_of
from shared.engines.weights.model_cards import (
    BUNDLED,
    list_cards,
    load_card,
    trusted_weights,
)
from shared.ports.engines import FaceClip, ModalityEncoder, UtteranceClip
from shared.ports.media import Audio, Floats
from tests.fakes import silent, tone, utterance, word


def encoder(modality: Modality, setup: Setup) -> ModalityEncoder:
    return choose(ENCODERS[modality], None, setup)


def clip(text: str = "hello", audio: Floats | None = None, face: FaceClip | str = "no_video") -> UtteranceClip:
    return UtteranceClip(utterance(0, 0, 2, text=text), Audio(silent(2) if audio is None else audio), face)


def voice(seconds: float, level: float = 0.2) -> Floats:
    """A synthetic voice: a pulsed buzz with a little noise."""
    samples = tone(seconds, 140.0, level) + tone(seconds, 280.0, level / 2)
    rhythm = np.clip(np.sin(2 * np.pi * 3 * np.arange(len(samples)) / 16_000), 0, 1)
    sound: Floats = (samples * rhythm + np.random.default_rng(0).normal(0, 1e-4, len(samples))).astype(np.float32)
    return sound


def face(frames: int = 8) -> FaceClip:
    crops = np.random.default_rng(0).integers(0, 255, (frames, 48, 48), dtype=np.uint8)
    ones = np.ones(frames, dtype=np.float32)
    return FaceClip(np.arange(frames, dtype=np.float32), crops, ones, margin=0.8, coverage=0.5)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so sorry to hear that, this is so sad.", Emotion.SADNESS),
        ("i am so happy this is wonderful thank you so much", Emotion.JOY),
        ("i am really scared and afraid of what could happen", Emotion.FEAR),
        ("This makes me so angry!", Emotion.ANGER),
    ],
)
def test_text_with_a_clear_emotion_is_recognised(text: str, label: Emotion, setup: Setup) -> None:
    encoding = encoder(Modality.TEXT, setup).encode([clip(text)], lambda share: None)
    assert EMOTIONS[int(encoding.logits[0].argmax())] is label
    assert encoding.unavailable == (None,)


def test_utterance_without_known_words_is_unavailable(setup: Setup) -> None:
    encoding = encoder(Modality.TEXT, setup).encode([clip("你好 1234")], lambda share: None)
    assert encoding.unavailable == ("no_known_words",)
    assert not encoding.logits.any()


def test_text_reliability_follows_the_word_confidence() -> None:
    def reliability(*confidences: float | None) -> float:
        words = tuple(word("w", n, n + 1, confidence=one) for n, one in enumerate(confidences))
        return reliability_of(utterance(0, 0, 2).model_copy(update={"words": words}))

    assert reliability(None, None) == 1.0
    assert reliability(0.7, None) == pytest.approx(0.5)
    assert (reliability(0.2), reliability(0.95)) == (0.0, 1.0)


def test_short_or_noisy_voice_is_unavailable(setup: Setup) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    conversation = [clip(audio=voice(2.5)), clip(audio=voice(0.5)), clip(audio=noise), clip(audio=voice(9))]
    encoding = encoder(Modality.VOICE, setup).encode(conversation, lambda share: None)
    assert encoding.unavailable == (None, "too_short", "low_snr", None)
    assert np.isfinite(encoding.logits).all()
    assert encoding.reliability[0] > 0.9
    assert list(encoding.reliability[1:3]) == [0, 0]


def test_face_without_enough_frames_is_unavailable(setup: Setup) -> None:
    conversation = [clip(face=face()), clip(face=face(2)), clip(face="no_face_of_speaker"), clip(face=face(200))]
    encoding = encoder(Modality.FACE, setup).encode(conversation, lambda share: None)
    assert encoding.unavailable == (None, "too_few_frames", "no_face_of_speaker", None)
    assert encoding.reliability[0] == pytest.approx(0.4)
    assert encoding.logits[0].any()


def test_mel_filters_and_centred_frames() -> None:
    assert to_hertz(to_mel([50.0, 999.0, 4000.0])) == pytest.approx([50.0, 999.0, 4000.0])
    assert filters(40, 400, 0.0, 8000.0).shape == (40, 201)
    power = mel_power(tone(1.0, 1000.0), bands=40)
    assert power.shape == (101, 40)
    assert abs(float(to_hertz(to_mel(8000.0) * (power.mean(axis=0).argmax() + 1) / 41)) - 1000.0) < 120


def test_every_card_matches_its_weights_and_is_complete() -> None:
    cards = list_cards()
    assert {card.slot for card in cards} >= {"text", "voice", "face", "speaker"}
    for card in cards:
        path, _ = trusted_weights(card.name, EngineSettings())
        assert path.stat().st_size > 0
        assert card.data and card.licence and card.limits and card.command
    assert not load_card("voice_cnn").commercial_use, "RAVDESS may not be used commercially"
    assert load_card("voice_cnn_emodb").commercial_use
    assert not load_card("face_cnn").commercial_use


def test_commercial_only_rejects_noncommercial_weights(setup: Setup) -> None:
    strict = setup.engines.model_copy(update={"commercial_only": True})
    assert trusted_weights("text_minilm", strict)
    with pytest.raises(EngineUnavailable, match="may not be used commercially"):
        trusted_weights("face_cnn", strict)
    commercial = Setup(strict, MediaSettings())
    assert choose(VOICE, None, commercial).name == "voice-cnn-emodb"


def test_weights_that_do_not_match_their_card_are_rejected(
    tmp_path_factory: pytest.TempPathFactory, setup: Setup
) -> None:
    card = load_card("text_minilm")
    folder = tmp_path_factory.mktemp("bundled")
    shutil.copytree(BUNDLED, folder, dirs_exist_ok=True)
    assert trusted_weights("text_minilm", setup.engines, folder)[1] == card
    for file, _ in card.files():
        kept = (folder / file).read_bytes()
        (folder / file).write_bytes(b"something else")
        with pytest.raises(EngineUnavailable, match="do not match the hash"):
            trusted_weights("text_minilm", setup.engines, folder)
        (folder / file).unlink()
        with pytest.raises(EngineUnavailable, match="missing"):
            trusted_weights("text_minilm", setup.engines, folder)
        (folder / file).write_bytes(kept)

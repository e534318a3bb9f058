"""The inputs that the text, voice and face engines give to their networks, and the use of the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from shared.engines.face_cnn import FaceCnn
from shared.engines.features.voice_augmentation import AUGMENTATIONS
from shared.engines.features.voice_mel import BANDS, WINDOW, log_mel, scaled, stacked, trimmed, voice_scale, windows
from shared.engines.text_minilm import MiniLmText
from shared.engines.voice_cnn import BATCH, VoiceCnn
from shared.engines.weights.model_cards import Card, DataUse
from shared.ports.engines import Encoding, FaceClip, UtteranceClip
from shared.ports.media import Audio, Floats
from tests.fakes import silent, utterance

CARD = Card(
    name="scripted", slot="text", file="none", sha256="0" * 64, architecture="a script", licence="none",
    commercial_use=True, data=(DataUse(name="none", licence="none", split="none"),), metrics={}, limits="none",
    command="none", made="by hand",
)  # fmt: skip


class ScriptedSession:
    """Returns the mean of its first input and records the inputs."""

    def __init__(self, *widths: int) -> None:
        self.widths, self.shown = widths, list[dict[str, np.ndarray]]()

    def get_outputs(self) -> list[Any]:
        return [type("Output", (), {"shape": ["row", width]}) for width in self.widths]

    def run(self, _names: None, inputs: dict[str, np.ndarray]) -> list[Floats]:
        self.shown.append(inputs)
        first = next(iter(inputs.values()))
        rows = first.reshape(len(first), -1).mean(axis=1, dtype=np.float32)
        return [np.repeat(rows[:, None], width, axis=1) for width in self.widths]


def clip_of(
    text: str, speaker: str = "S1", *, language: str | None = "en", audio: Floats | None = None
) -> UtteranceClip:
    line = utterance(0, 0, 2, text=text, speaker=speaker)
    return UtteranceClip(line, Audio(silent(2) if audio is None else audio), "no_video", language)


def quiet(_share: float) -> None:
    """Ignore the progress."""


class TestText:
    def read(self, tokenizer: Tokenizer, *clips: UtteranceClip) -> tuple[Encoding, ScriptedSession]:
        session = ScriptedSession(7, 3, 384)
        return MiniLmText(session, tokenizer, CARD).encode(clips, quiet), session

    def test_every_line_is_encoded_with_the_turns_before_it(self, tokenizer: Tokenizer) -> None:
        encoding, session = self.read(tokenizer, clip_of("hello"), clip_of("why", "S2"), clip_of("it", "S1"))
        lengths = sorted(int(row.sum()) for shown in session.shown for row in shown["mask"])
        assert lengths == [5, 9, 12]
        assert encoding.logits.shape == (3, 7)
        assert encoding.sentiment is not None and encoding.sentiment.shape == (3, 3)
        assert encoding.features.shape == (3, 384)

    @pytest.mark.parametrize(
        ("text", "language", "reason"),
        [
            ("hello", "en", None),
            ("hello", None, None),
            ("hello", "de", "language"),
            ("你好吗", "en", "no_known_words"),
            ("1234 !", "en", "no_known_words"),
        ],
    )
    def test_unreadable_text_is_unavailable(
        self, tokenizer: Tokenizer, text: str, language: str | None, reason: str | None
    ) -> None:
        encoding, _ = self.read(tokenizer, clip_of(text, language=language))
        assert encoding.unavailable == (reason,)
        assert encoding.logits.any() == (reason is None)

    def test_output_keeps_the_order_of_the_utterances(self, tokenizer: Tokenizer) -> None:
        texts = ["hello " * (1 + 7 * number % 11) for number in range(40)]
        engine = MiniLmText(ScriptedSession(7, 3, 384), tokenizer, CARD)
        alone = [engine.encode([clip_of(text)], quiet).logits[0, 0] for text in texts]
        clips = [clip_of(text, f"S{number}") for number, text in enumerate(texts)]
        assert len(engine.encode(clips, quiet).logits) == len(alone)


class TestVoice:
    def voice(self, seconds: float, pitch: float = 140.0) -> Floats:
        times = np.arange(int(seconds * 16_000)) / 16_000
        buzz = np.sin(2 * np.pi * pitch * times) * np.clip(np.sin(2 * np.pi * 3 * times), 0, 1)
        noise = np.random.default_rng(0).normal(0, 1e-4, len(times))
        return np.asarray(0.2 * buzz + noise, dtype=np.float32)

    def test_log_mel_does_not_depend_on_the_level(self) -> None:
        sound = self.voice(2)
        np.testing.assert_allclose(log_mel(sound), log_mel(sound * 0.25), atol=0.02)

    def test_silence_at_the_ends_is_trimmed_and_a_short_clip_is_unchanged(self) -> None:
        sound = np.concatenate([silent(1), self.voice(1), silent(1)])
        assert 0.5 * 16_000 < len(trimmed(sound)) <= 1.05 * 16_000
        assert len(trimmed(sound[:100])) == 100

    def test_voice_scale_needs_ten_seconds(self) -> None:
        spectrogram = log_mel(self.voice(3))
        assert voice_scale([spectrogram]) is None
        known = voice_scale([spectrogram] * 4)
        assert known is not None
        assert np.abs(scaled(spectrogram, known).mean(axis=0)).max() < 1e-3
        assert np.abs(scaled(spectrogram, None).mean(axis=0)).max() < 1e-3

    def test_windows_cover_a_long_utterance_to_its_end(self) -> None:
        spectrogram = np.arange(700, dtype=np.float32)[:, None].repeat(BANDS, axis=1)
        found = windows(spectrogram)
        assert all(len(window) == WINDOW for window in found)
        assert found[-1][-1, 0] == 699
        assert len(windows(spectrogram[:200])) == 1
        mels, mask = stacked([spectrogram[:50], spectrogram[:80]])
        assert mels.shape == (2, 80, BANDS)
        assert mask.sum(axis=1).tolist() == [50, 80]

    def test_short_or_silent_voice_is_unavailable(self) -> None:
        session = ScriptedSession(7, 16)
        clips = [clip_of("a", audio=self.voice(n)) for n in (2.0, 0.5, 12.0)]
        encoding = VoiceCnn(session, CARD).encode([*clips, clip_of("b", "S2", audio=silent(3))], quiet)
        assert encoding.unavailable == (None, "too_short", None, "low_snr")
        assert encoding.features.shape == (4, 16)
        assert encoding.reliability[[1, 3]].tolist() == [0, 0]
        assert encoding.reliability[0] > 0
        short, *long = (len(inputs["mels"]) for inputs in session.shown)
        assert short == len(AUGMENTATIONS)
        assert sum(long) > 5 * len(AUGMENTATIONS), "a long utterance is split into windows"
        assert len(long) > 1 and max(long) <= BATCH, "windows are batched"


class TestFace:
    def test_faces_are_sampled_and_normalized(self) -> None:
        session = ScriptedSession(7, 16)
        crops = np.random.default_rng(0).integers(0, 255, (40, 48, 48), dtype=np.uint8)
        ones = np.ones(40, dtype=np.float32)
        many = FaceClip(ones, crops, ones, margin=0.8, coverage=0.5)
        few = FaceClip(ones[:2], crops[:2], ones[:2], margin=0.8, coverage=0.5)
        clips = [UtteranceClip(utterance(0, 0, 2), Audio(silent(2)), face) for face in (many, few, "no_video")]
        encoding = FaceCnn(session, CARD).encode(clips, quiet)
        assert encoding.unavailable == (None, "too_few_frames", "no_video")
        assert encoding.reliability.tolist() == pytest.approx([0.4, 0, 0])
        (shown,) = session.shown
        assert shown["faces"].shape == (16, 1, 48, 48)
        assert np.abs(shown["faces"].mean(axis=(1, 2, 3))).max() < 1e-3

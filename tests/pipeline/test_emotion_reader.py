from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from shared.domain.emotion import (
    EMOTIONS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Modality,
    ModalityReading,
    ModalityStatus,
    Sentiment,
    SentimentReading,
    SentimentScores,
)
from shared.domain.error import EngineUnavailable, Interrupted
from shared.domain.speech import Utterance
from shared.pipeline.emotion_reader import EncodeThenFuse
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Audio, Floats, Progress

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE


@dataclass
class ScriptedEncoder:
    """A fake encoder that returns joy, the given logits, or an error."""

    modality: Modality
    error: BaseException | None = None
    logits: Floats | None = None
    fingerprint: str = "scripted/1"

    @property
    def name(self) -> str:
        return f"scripted-{self.modality}"

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        progress(0.5)
        if self.error:
            raise self.error
        count = len(conversation)
        joy = np.tile(np.array([0, 0, 0, 9, 0, 0, 0], np.float32), (count, 1))
        logits = joy if self.logits is None else self.logits
        empty = np.zeros((count, 0), np.float32)
        return Encoding(self.modality, logits, empty, (None,) * count, np.ones(count, np.float32))


class ScriptedFusion:
    """A fake fusion that returns joy, and the status of each modality."""

    name = "scripted-fusion"
    fingerprint = "scripted-fusion/1"

    def __init__(self, expects: Mapping[Modality, str] | None = None) -> None:
        self.expects = expects or {}

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],
        conversation: Sequence[UtteranceClip],
    ) -> Sequence[EmotionReading]:
        joy = EmotionScores({emotion: float(emotion is Emotion.JOY) for emotion in EMOTIONS})
        positive = SentimentScores({sentiment: float(sentiment is Sentiment.POSITIVE) for sentiment in Sentiment})
        modalities = {
            encoding.modality: ModalityReading(status=ModalityStatus.OK, scores=joy) for encoding in encodings
        }
        for modality, reason in absent.items():
            modalities[modality] = ModalityReading(
                status=ModalityStatus.FAILED if reason else ModalityStatus.OFF, reason=reason
            )
        return [
            EmotionReading(
                label=Emotion.JOY,
                confidence=1,
                scores=joy,
                sentiment=SentimentReading(label=Sentiment.POSITIVE, scores=positive),
                modalities=modalities,
            )
            for _ in conversation
        ]


def conversation(count: int = 2) -> list[UtteranceClip]:
    silence = Audio(np.zeros(16_000, np.float32))
    return [
        UtteranceClip(
            Utterance(index=number, speaker="S1", text="secret words", words=(), start=number, end=number + 1),
            silence,
            "no_video",
        )
        for number in range(count)
    ]


def reader(*scripted: ScriptedEncoder, **absent: str | None) -> EncodeThenFuse:
    encoders = {encoder.modality: encoder for encoder in scripted}
    return EncodeThenFuse(encoders, ScriptedFusion(), {Modality(name): reason for name, reason in absent.items()})


def states(readings: Sequence[EmotionReading]) -> dict[Modality, tuple[ModalityStatus, str | None]]:
    return {modality: (found.status, found.reason) for modality, found in readings[0].modalities.items()}


def test_available_modalities_are_read_and_others_are_off() -> None:
    readings = reader(ScriptedEncoder(TEXT), ScriptedEncoder(VOICE), face=None).read(conversation(), lambda _: None)
    assert len(readings) == 2
    assert states(readings) == {
        TEXT: (ModalityStatus.OK, None),
        VOICE: (ModalityStatus.OK, None),
        FACE: (ModalityStatus.OFF, None),
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (ScriptedEncoder(VOICE, error=ZeroDivisionError("secret words")), "engine_failed"),
        (ScriptedEncoder(VOICE, error=EngineUnavailable("its weights are missing")), "engine_unavailable"),
        (ScriptedEncoder(VOICE, logits=np.full((2, 7), np.nan, np.float32)), "engine_failed"),
        (ScriptedEncoder(VOICE, logits=np.zeros((1, 7), np.float32)), "engine_failed"),
    ],
)
def test_failed_modality_does_not_affect_the_others(
    broken: ScriptedEncoder, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        readings = reader(ScriptedEncoder(TEXT), broken, face=None).read(conversation(), lambda _: None)
    assert states(readings)[VOICE] == (ModalityStatus.FAILED, reason)
    assert states(readings)[TEXT] == (ModalityStatus.OK, None)
    assert "voice" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("stop", [Interrupted("stopped"), KeyboardInterrupt()])
def test_interruption_is_not_caught(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        reader(ScriptedEncoder(VOICE, error=stop)).read(conversation(), lambda _: None)


def test_each_modality_has_an_equal_share_of_the_progress() -> None:
    progress: list[float] = []
    reader(ScriptedEncoder(TEXT), ScriptedEncoder(VOICE)).read(conversation(), progress.append)
    assert progress == [0.25, 0.75, 1.0]


def test_name_contains_the_engines() -> None:
    assert reader(ScriptedEncoder(TEXT), face=None).name == "scripted-fusion(text=scripted-text)"


def test_fingerprint_changes_with_everything_that_changes_readings() -> None:
    variants = [
        reader(ScriptedEncoder(TEXT), face=None, voice=None),
        reader(ScriptedEncoder(TEXT), face=None, voice="engine_unavailable"),
        reader(ScriptedEncoder(TEXT, fingerprint="scripted/2"), face=None, voice=None),
        reader(ScriptedEncoder(TEXT), ScriptedEncoder(VOICE), face=None),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    again = reader(ScriptedEncoder(TEXT), voice=None, face=None)
    assert again.fingerprint == variants[0].fingerprint


def test_fusion_trained_with_other_engines_is_rejected() -> None:
    fusion = ScriptedFusion({TEXT: "scripted/1", FACE: "another/1"})
    EncodeThenFuse({TEXT: ScriptedEncoder(TEXT)}, fusion, {VOICE: None, FACE: None})
    with pytest.raises(EngineUnavailable, match="another text engine than scripted-text"):
        EncodeThenFuse({TEXT: ScriptedEncoder(TEXT, fingerprint="scripted/2")}, fusion, {})

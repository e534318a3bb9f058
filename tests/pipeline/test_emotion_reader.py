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
class ScriptedSense:
    """An encoder that sees joy everywhere, or does what its script says instead."""

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
    """Says joy, and shows which senses it was given."""

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


def reader(*modalities: ScriptedSense, **absent: str | None) -> EncodeThenFuse:
    encoders = {sense.modality: sense for sense in modalities}
    return EncodeThenFuse(encoders, ScriptedFusion(), {Modality(name): reason for name, reason in absent.items()})


def states(readings: Sequence[EmotionReading]) -> dict[Modality, tuple[ModalityStatus, str | None]]:
    return {modality: (sense.status, sense.reason) for modality, sense in readings[0].modalities.items()}


def test_every_sense_is_heard_and_those_that_are_off_stay_off() -> None:
    readings = reader(ScriptedSense(TEXT), ScriptedSense(VOICE), face=None).read(conversation(), lambda _: None)
    assert len(readings) == 2
    assert states(readings) == {
        TEXT: (ModalityStatus.OK, None),
        VOICE: (ModalityStatus.OK, None),
        FACE: (ModalityStatus.OFF, None),
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (ScriptedSense(VOICE, error=ZeroDivisionError("secret words")), "engine_failed"),
        (ScriptedSense(VOICE, error=EngineUnavailable("its weights are gone")), "engine_unavailable"),
        (ScriptedSense(VOICE, logits=np.full((2, 7), np.nan, np.float32)), "engine_failed"),
        (ScriptedSense(VOICE, logits=np.zeros((1, 7), np.float32)), "engine_failed"),
    ],
)
def test_a_sense_that_fails_does_not_lose_the_others(
    broken: ScriptedSense, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        readings = reader(ScriptedSense(TEXT), broken, face=None).read(conversation(), lambda _: None)
    assert states(readings)[VOICE] == (ModalityStatus.FAILED, reason)
    assert states(readings)[TEXT] == (ModalityStatus.OK, None)
    assert "voice" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("stop", [Interrupted("stopped"), KeyboardInterrupt()])
def test_its_user_can_stop_it(stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        reader(ScriptedSense(VOICE, error=stop)).read(conversation(), lambda _: None)


def test_each_sense_has_its_share_of_the_progress() -> None:
    heard: list[float] = []
    reader(ScriptedSense(TEXT), ScriptedSense(VOICE)).read(conversation(), heard.append)
    assert heard == [0.25, 0.75, 1.0]


def test_the_name_tells_the_engines() -> None:
    assert reader(ScriptedSense(TEXT), face=None).name == "scripted-fusion(text=scripted-text)"


def test_whatever_changes_the_readings_changes_the_fingerprint() -> None:
    variants = [
        reader(ScriptedSense(TEXT), face=None, voice=None),
        reader(ScriptedSense(TEXT), face=None, voice="engine_unavailable"),
        reader(ScriptedSense(TEXT, fingerprint="scripted/2"), face=None, voice=None),
        reader(ScriptedSense(TEXT), ScriptedSense(VOICE), face=None),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    again = reader(ScriptedSense(TEXT), voice=None, face=None)
    assert again.fingerprint == variants[0].fingerprint


def test_a_fusion_that_learnt_to_read_other_engines_is_refused_before_anything_is_read() -> None:
    fusion = ScriptedFusion({TEXT: "scripted/1", FACE: "another/1"})
    EncodeThenFuse({TEXT: ScriptedSense(TEXT)}, fusion, {VOICE: None, FACE: None})
    with pytest.raises(EngineUnavailable, match="another text engine than scripted-text"):
        EncodeThenFuse({TEXT: ScriptedSense(TEXT, fingerprint="scripted/2")}, fusion, {})

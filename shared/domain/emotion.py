"""Perceived emotion: labels, distributions over them, and the reading of each modality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Self, TypeVar

from pydantic import ConfigDict, Field, RootModel, model_validator

from shared.domain.value import Value


class Emotion(StrEnum):
    """The seven perceived emotions, in the order of every network's output."""

    ANGER = "anger"
    DISGUST = "disgust"
    FEAR = "fear"
    JOY = "joy"
    NEUTRAL = "neutral"
    SADNESS = "sadness"
    SURPRISE = "surprise"


class Sentiment(StrEnum):
    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


class Modality(StrEnum):
    """A source of evidence for perceived emotion."""

    TEXT = "text"
    VOICE = "voice"
    FACE = "face"


Label = TypeVar("Label", bound=StrEnum)

EMOTIONS: tuple[Emotion, ...] = tuple(Emotion)
SENTIMENTS: tuple[Sentiment, ...] = tuple(Sentiment)


def _check_distribution(scores: Mapping[Label, float], labels: tuple[Label, ...]) -> None:
    if len(scores) != len(labels):  # each is one of the labels
        raise ValueError(f"scores must name exactly {', '.join(labels)}")
    if min(scores.values()) < 0:
        raise ValueError("scores must not be negative")
    if not math.isclose(sum(scores.values()), 1.0, abs_tol=1e-3):
        raise ValueError("scores must sum to 1")


class EmotionScores(RootModel[dict[Emotion, float]]):
    """A distribution over the seven emotions."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _is_distribution(self) -> Self:
        _check_distribution(self.root, EMOTIONS)
        return self

    def __getitem__(self, emotion: Emotion) -> float:
        return self.root[emotion]

    @property
    def label(self) -> Emotion:
        return max(self.root, key=self.root.__getitem__)


class SentimentScores(RootModel[dict[Sentiment, float]]):
    """A distribution over negative, neutral, positive."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _is_distribution(self) -> Self:
        _check_distribution(self.root, SENTIMENTS)
        return self

    def __getitem__(self, sentiment: Sentiment) -> float:
        return self.root[sentiment]

    @property
    def label(self) -> Sentiment:
        return max(self.root, key=self.root.__getitem__)


class SentimentReading(Value):
    label: Sentiment
    scores: SentimentScores


NO_RECORDING = "no_recording"  # the reason of voice and face for a transcript without a recording


class ModalityStatus(StrEnum):
    OK = "ok"
    UNAVAILABLE = "unavailable"  # no evidence in this utterance; `reason` says why
    OFF = "off"  # not requested, or not allowed in this deployment
    FAILED = "failed"  # the engine failed; `reason` is the error code


class ModalityReading(Value):
    """The scores of one modality for an utterance, or the reason why there are none."""

    status: ModalityStatus
    reason: str | None = None
    scores: EmotionScores | None = None

    @model_validator(mode="after")
    def _check_scores(self) -> Self:
        if (self.status is ModalityStatus.OK) != (self.scores is not None):
            raise ValueError("a modality has scores if and only if its status is ok")
        if self.status in (ModalityStatus.UNAVAILABLE, ModalityStatus.FAILED) and not self.reason:
            raise ValueError("an unavailable or failed modality needs a reason")
        return self


class EmotionReading(Value):
    """The emotion perceived in one utterance, with the reading of each modality."""

    label: Emotion
    confidence: float = Field(ge=0, le=1)
    scores: EmotionScores
    sentiment: SentimentReading
    valence: float | None = Field(default=None, ge=-1, le=1)
    arousal: float | None = Field(default=None, ge=-1, le=1)
    modalities: dict[Modality, ModalityReading]

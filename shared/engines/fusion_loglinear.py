"""Calibrated log-linear late fusion: each sense adds its evidence, as far as it can be trusted.

    l_m(y) = log softmax(z_m / T_m)(y) - log pi_m(y)            the evidence of sense m, clipped
    p(y)   = softmax( log pi*(y) + sum_m a_m r_m w_m l_m(y) )   a: available, r: reliability, w: weight

pi_m is what the sense's calibrated scores average to on its own data, pi* what is expected of meetings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain.emotion import (
    EMOTIONS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Modality,
    Sense,
    SenseStatus,
    Sentiment,
    SentimentReading,
    SentimentScores,
)
from shared.engines.catalog import Setup
from shared.ports.engines import Encoding
from shared.ports.media import Floats

CLIP = 6.0  # nats; no sense may be surer than that
# The geometric mean of the dialogue of a television series (MELD train) and of no expectation at all.
MELD_TRAIN = {
    "anger": 1109,
    "disgust": 271,
    "fear": 268,
    "joy": 1743,
    "neutral": 4710,
    "sadness": 683,
    "surprise": 1205,
}
# Surprise says nothing of its own about good or bad: in MELD train it is negative 614 times and positive 591.
SURPRISE_NEGATIVE = 0.51
# Where raters placed each word between -1 and 1 (valence, arousal): the middle of a category, not a measured affect.
ANCHORS = {
    Emotion.ANGER: (-0.5, 0.6),
    Emotion.DISGUST: (-0.6, 0.35),
    Emotion.FEAR: (-0.6, 0.6),
    Emotion.JOY: (0.8, 0.5),
    Emotion.NEUTRAL: (0.0, 0.0),
    Emotion.SADNESS: (-0.6, -0.3),
    Emotion.SURPRISE: (0.4, 0.7),
}


@dataclass(frozen=True, slots=True)
class LogLinearFusion:
    prior: tuple[float, ...]  # (7,), pi*
    name: str = "loglinear"

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> LogLinearFusion:
        counts = np.array([MELD_TRAIN[emotion] for emotion in EMOTIONS], dtype=np.float64)
        expected = np.sqrt(counts / counts.sum() / len(counts))
        return cls(tuple(float(share) for share in expected / expected.sum()))

    @property
    def fingerprint(self) -> str:
        return f"1-{self.prior}-{CLIP}"

    def fuse(
        self, encodings: Sequence[Encoding], *, absent: Mapping[Modality, str | None], speakers: Sequence[str]
    ) -> Sequence[EmotionReading]:
        expected = np.log(np.array(self.prior))
        heard = {encoding.modality: evidence(encoding) for encoding in encodings}
        readings: list[EmotionReading] = []
        for row in range(len(speakers)):
            total = expected.copy()
            senses: dict[Modality, Sense] = {}
            for encoding in encodings:
                reason = encoding.unavailable[row]
                if reason is None:
                    own = heard[encoding.modality][row]
                    total += encoding.calibration.weight * float(encoding.reliability[row]) * own
                    senses[encoding.modality] = Sense(status=SenseStatus.OK, scores=_scores(expected + own))
                else:
                    senses[encoding.modality] = Sense(status=SenseStatus.UNAVAILABLE, reason=reason)
            for modality, failure in absent.items():
                status = SenseStatus.OFF if failure is None else SenseStatus.FAILED
                senses[modality] = Sense(status=status, reason=failure)
            readings.append(
                _reading(_scores(total), {modality: senses[modality] for modality in Modality if modality in senses})
            )
        return readings


def evidence(encoding: Encoding) -> Floats:  # (utterance, 7)
    """How much more likely each emotion became by what the sense perceived, in nats."""
    scaled = encoding.logits.astype(np.float64) / encoding.calibration.temperature
    posterior = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    prior = np.array(encoding.calibration.prior)
    able = prior > 0  # a class that a network cannot emit gets no evidence from it
    likelihood = np.where(able, posterior - np.log(np.where(able, prior, 1.0)), 0.0)
    return np.clip(likelihood, -CLIP, CLIP)


def _scores(logits: Floats) -> EmotionScores:
    raised = np.exp(logits - logits.max())
    shares = np.round(raised / raised.sum(), 4)
    return EmotionScores(dict(zip(EMOTIONS, shares.tolist(), strict=True)))


def _reading(scores: EmotionScores, senses: dict[Modality, Sense]) -> EmotionReading:
    valence, arousal = (sum(scores[emotion] * anchor[axis] for emotion, anchor in ANCHORS.items()) for axis in (0, 1))
    return EmotionReading(
        label=scores.label,
        confidence=scores[scores.label],
        scores=scores,
        sentiment=sentiment_of(scores),
        valence=round(valence, 3),
        arousal=round(arousal, 3),
        senses=senses,
    )


def sentiment_of(scores: EmotionScores) -> SentimentReading:
    """Sentiment follows from emotion, but for surprise, which is split."""
    surprise = scores[Emotion.SURPRISE]
    bad = sum(scores[emotion] for emotion in (Emotion.ANGER, Emotion.DISGUST, Emotion.FEAR, Emotion.SADNESS))
    shares = {
        Sentiment.NEGATIVE: round(bad + SURPRISE_NEGATIVE * surprise, 4),
        Sentiment.NEUTRAL: round(scores[Emotion.NEUTRAL], 4),
        Sentiment.POSITIVE: round(scores[Emotion.JOY] + (1 - SURPRISE_NEGATIVE) * surprise, 4),
    }
    found = SentimentScores(shares)
    return SentimentReading(label=found.label, scores=found)

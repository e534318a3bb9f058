"""Calibrated log-linear late fusion: adds the evidence of each modality beyond its prior, weighted by trust.

    l_m(y) = log softmax(z_m / T_m)(y) - log pi_m(y), clipped        the evidence of modality m for emotion y
    p(y)   = softmax( log pi*(y) + sum_m a_m r_m w_m l_m(y) )        a: available, r: reliability, w: weight

The reading of one modality is its own posterior, softmax(log pi* + l_m). With none available, p is the prior pi*.

Sentiment is the same formula over three classes. A modality without a sentiment head gives the evidence that follows
from its emotions by MELD's mapping; if no modality has a head, sentiment follows from p by that mapping.
Valence and arousal are expectations over fixed anchors of the categories: "acted category means", not measured affect.

T_m and pi_m belong to the network and come with its encoding; the rest is stored in `bundled/fusion_loglinear.json`,
in the format of `Parameters` below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field

from shared.domain.emotion import (
    EMOTIONS,
    NO_RECORDING,
    SENTIMENTS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Label,
    Modality,
    ModalityReading,
    ModalityStatus,
    SentimentReading,
    SentimentScores,
)
from shared.domain.error import InvalidRequest
from shared.domain.value import Value
from shared.engines.catalog import Setup
from shared.engines.weights.model_cards import BUNDLED
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats

# Share of each emotion that MELD labels negative, neutral, positive; only surprise is split.
SENTIMENT_OF = np.array(
    [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0.51, 0, 0.49]]
)  # (emotion, sentiment)

# Valence and arousal of each category, after Mehrabian.
ANCHORS = np.array(
    [[-0.5, 0.6], [-0.6, 0.35], [-0.6, 0.6], [0.8, 0.5], [0.0, 0.0], [-0.6, -0.3], [0.4, 0.7]]
)  # (emotion, 2)


class Trust(Value):
    """The weight of one modality relative to the others."""

    weight: float = Field(ge=0)
    cap: float = Field(ge=0, le=1)  # limit until the weight is measured on recordings of meetings


class Parameters(Value):
    version: int = 2
    fitted: str  # how the values were estimated, in one sentence
    deployment_prior: dict[Emotion, float]
    clip: float = Field(gt=0)
    modalities: dict[Modality, Trust]


class LogLinearFusion:
    name = "loglinear"

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._prior = vector(parameters.deployment_prior, EMOTIONS)
        digest = hashlib.sha256(parameters.model_dump_json().encode()).hexdigest()
        self.fingerprint = f"loglinear/2/{digest[:16]}"

    @classmethod
    def load(cls, option: str | None, _setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The log-linear fusion has no option {option!r}.")
        return cls(read_parameters(BUNDLED / "fusion_loglinear.json"))

    @property
    def prior(self) -> Floats:  # (7,): the expected distribution in a recording
        return self._prior

    @property
    def expects(self) -> Mapping[Modality, str]:
        return {}  # calibrated evidence of any engine is accepted

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],
        conversation: Sequence[UtteranceClip],
    ) -> Sequence[EmotionReading]:
        by_modality = {encoding.modality: encoding for encoding in encodings}
        ordered = [by_modality[modality] for modality in Modality if modality in by_modality]
        evidence = {e.modality: evidence_of(e, self._parameters.clip) for e in ordered}  # (utterance, 7) each
        start = np.tile(np.log(self._prior), (len(conversation), 1))
        total = sum((self._trust(e)[:, None] * evidence[e.modality] for e in ordered), start)
        fused = softmax(total)
        posteriors = {modality: softmax(start + log_evidence) for modality, log_evidence in evidence.items()}
        sentiment = self._sentiment(ordered, posteriors, fused)
        return [
            reading_of(
                fused[row],
                sentiment[row],
                {m: _modality_reading(row, m, by_modality, posteriors, absent) for m in Modality},
            )
            for row in range(len(conversation))
        ]

    def _trust(self, encoding: Encoding) -> Floats:  # (utterance,): a r w
        own = self._parameters.modalities[encoding.modality]
        available = np.array([reason is None for reason in encoding.unavailable])
        weight = own.weight if encoding.fusion_weight is None else encoding.fusion_weight
        return np.asarray(available * encoding.reliability * min(weight, own.cap))

    def _sentiment(
        self, ordered: Sequence[Encoding], posteriors: Mapping[Modality, Floats], fused: Floats
    ) -> Floats:  # (utterance, 3)
        by_rule, limit = fused @ SENTIMENT_OF, self._parameters.clip
        prior = self._prior @ SENTIMENT_OF
        total = np.tile(np.log(prior), (len(fused), 1))
        headed = np.zeros(len(fused), dtype=bool)
        for encoding in ordered:
            head, trust = encoding.calibration.sentiment, self._trust(encoding)
            if head is not None and encoding.sentiment is not None:
                evidence = _beyond(encoding.sentiment / head.temperature, vector(head.prior, SENTIMENTS), limit)
                headed |= trust > 0
            else:
                evidence = _beyond(
                    np.log(np.maximum(posteriors[encoding.modality] @ SENTIMENT_OF, 1e-12)), prior, limit
                )
            total += trust[:, None] * evidence
        return np.where(headed[:, None], softmax(total), by_rule)


def evidence_of(encoding: Encoding, limit: float = np.inf) -> Floats:  # (utterance, 7)
    """The evidence of a modality for each emotion: its calibrated log posterior minus the log prior of its network."""
    calibration = encoding.calibration
    emits = np.array([emotion not in calibration.cannot_emit for emotion in EMOTIONS])
    evidence = np.zeros(encoding.logits.shape, dtype=np.float32)
    logits, prior = encoding.logits[:, emits], vector(calibration.prior, EMOTIONS)[emits]
    evidence[:, emits] = _beyond(logits / calibration.temperature, prior / prior.sum(), limit)
    return evidence


def _beyond(logits: Floats, prior: Floats, limit: float) -> Floats:
    return np.asarray(np.clip(log_softmax(logits) - np.log(prior), -limit, limit))


def read_parameters(path: Path) -> Parameters:
    return Parameters.model_validate_json(path.read_bytes())


def _modality_reading(
    row: int,
    modality: Modality,
    by_modality: Mapping[Modality, Encoding],
    posteriors: Mapping[Modality, Floats],
    absent: Mapping[Modality, str | None],
) -> ModalityReading:
    if modality not in by_modality:
        reason = absent[modality]
        if reason is None:
            return ModalityReading(status=ModalityStatus.OFF)
        status = ModalityStatus.UNAVAILABLE if reason == NO_RECORDING else ModalityStatus.FAILED
        return ModalityReading(status=status, reason=reason)
    missing = by_modality[modality].unavailable[row]
    if missing is not None:
        return ModalityReading(status=ModalityStatus.UNAVAILABLE, reason=missing)
    return ModalityReading(status=ModalityStatus.OK, scores=_scores(posteriors[modality][row]))


def reading_of(fused: Floats, sentiment: Floats, modalities: dict[Modality, ModalityReading]) -> EmotionReading:
    scores = _scores(fused)
    sentiments = SentimentScores(dict(zip(SENTIMENTS, map(float, sentiment), strict=True)))
    valence, arousal = fused @ ANCHORS
    return EmotionReading(
        label=scores.label,
        confidence=min(1.0, scores[scores.label]),
        scores=scores,
        sentiment=SentimentReading(label=sentiments.label, scores=sentiments),
        valence=float(valence),
        arousal=float(arousal),
        modalities=modalities,
    )


def _scores(values: Floats) -> EmotionScores:
    return EmotionScores(dict(zip(EMOTIONS, map(float, values), strict=True)))


def vector(by_label: Mapping[Label, float], labels: tuple[Label, ...]) -> Floats:
    values = np.array([by_label[label] for label in labels])
    return np.asarray(values / values.sum())


def log_softmax(logits: Floats) -> Floats:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def softmax(logits: Floats) -> Floats:
    return np.asarray(np.exp(log_softmax(logits)))

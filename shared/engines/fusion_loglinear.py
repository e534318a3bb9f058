"""Calibrated log-linear late fusion: each sense adds what it knows beyond its prior, as far as it is trusted.

    l_m(y) = log softmax(z_m / T_m)(y) - log pi_m(y), clipped        the evidence of sense m for emotion y
    p(y)   = softmax( log pi*(y) + sum_m a_m r_m w_m l_m(y) )        a: available, r: reliability, w: weight

A sense is shown with its own posterior, softmax(log pi* + l_m). With nothing available, p is the prior pi*.

Sentiment is the same formula over three classes. A sense without a sentiment head gives the evidence that follows
from its emotions by MELD's rule; where no sense has a head, sentiment follows from p itself by that rule.
Valence and arousal are expectations over fixed anchors of the categories: "acted category means", not measured affect.

T_m and pi_m belong to the network and come with its encoding; the rest lies in `bundled/fusion_loglinear.json`, in
the shape of `Parameters` below.
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
from shared.engines.model_cards import BUNDLED
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats

# Share of each emotion that MELD labels negative, neutral, positive; only surprise is divided.
SENTIMENT_OF = np.array(
    [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0.51, 0, 0.49]]
)  # (emotion, sentiment)

# Valence and arousal of each category, after Mehrabian.
ANCHORS = np.array(
    [[-0.5, 0.6], [-0.6, 0.35], [-0.6, 0.6], [0.8, 0.5], [0.0, 0.0], [-0.6, -0.3], [0.4, 0.7]]
)  # (emotion, 2)


class Trust(Value):
    """How far a sense is believed beside the others."""

    weight: float = Field(ge=0)
    cap: float = Field(ge=0, le=1)  # until the weight is measured on recordings of meetings


class Parameters(Value):
    version: int = 2
    fitted: str  # how the figures came to be, in a sentence
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
    def prior(self) -> Floats:  # (7,): what is expected of a recording before anything is perceived
        return self._prior

    @property
    def expects(self) -> Mapping[Modality, str]:
        return {}  # calibrated evidence is read, whoever it is from

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],
        conversation: Sequence[UtteranceClip],
    ) -> Sequence[EmotionReading]:
        heard = {encoding.modality: encoding for encoding in encodings}
        ordered = [heard[modality] for modality in Modality if modality in heard]
        evidence = {e.modality: evidence_of(e, self._parameters.clip) for e in ordered}  # (utterance, 7) each
        start = np.tile(np.log(self._prior), (len(conversation), 1))
        total = sum((self._trust(e)[:, None] * evidence[e.modality] for e in ordered), start)
        fused = softmax(total)
        shown = {modality: softmax(start + told) for modality, told in evidence.items()}
        sentiment = self._sentiment(ordered, shown, fused)
        return [
            reading_of(
                fused[row], sentiment[row], {m: _modality_reading(row, m, heard, shown, absent) for m in Modality}
            )
            for row in range(len(conversation))
        ]

    def _trust(self, encoding: Encoding) -> Floats:  # (utterance,): a r w
        sense = self._parameters.modalities[encoding.modality]
        available = np.array([reason is None for reason in encoding.unavailable])
        return np.asarray(available * encoding.reliability * min(sense.weight, sense.cap))

    def _sentiment(
        self, ordered: Sequence[Encoding], shown: Mapping[Modality, Floats], fused: Floats
    ) -> Floats:  # (utterance, 3)
        by_rule, limit = fused @ SENTIMENT_OF, self._parameters.clip
        prior = self._prior @ SENTIMENT_OF
        total = np.tile(np.log(prior), (len(fused), 1))
        headed = np.zeros(len(fused), dtype=bool)
        for encoding in ordered:
            head, trust = encoding.calibration.sentiment, self._trust(encoding)
            if head is not None and encoding.sentiment is not None:
                told = _beyond(encoding.sentiment / head.temperature, vector(head.prior, SENTIMENTS), limit)
                headed |= trust > 0
            else:
                told = _beyond(np.log(np.maximum(shown[encoding.modality] @ SENTIMENT_OF, 1e-12)), prior, limit)
            total += trust[:, None] * told
        return np.where(headed[:, None], softmax(total), by_rule)


def evidence_of(encoding: Encoding, limit: float = np.inf) -> Floats:  # (utterance, 7)
    """What a sense says for each emotion beyond what its network expects anyway."""
    its = encoding.calibration
    emits = np.array([emotion not in its.cannot_emit for emotion in EMOTIONS])
    told = np.zeros(encoding.logits.shape, dtype=np.float32)
    logits, prior = encoding.logits[:, emits], vector(its.prior, EMOTIONS)[emits]
    told[:, emits] = _beyond(logits / its.temperature, prior / prior.sum(), limit)
    return told


def _beyond(logits: Floats, prior: Floats, limit: float) -> Floats:
    return np.asarray(np.clip(log_softmax(logits) - np.log(prior), -limit, limit))


def read_parameters(path: Path) -> Parameters:
    return Parameters.model_validate_json(path.read_bytes())


def _modality_reading(
    row: int,
    modality: Modality,
    heard: Mapping[Modality, Encoding],
    shown: Mapping[Modality, Floats],
    absent: Mapping[Modality, str | None],
) -> ModalityReading:
    if modality not in heard:
        reason = absent[modality]
        return (
            ModalityReading(status=ModalityStatus.FAILED, reason=reason)
            if reason
            else ModalityReading(status=ModalityStatus.OFF)
        )
    missing = heard[modality].unavailable[row]
    if missing is not None:
        return ModalityReading(status=ModalityStatus.UNAVAILABLE, reason=missing)
    return ModalityReading(status=ModalityStatus.OK, scores=_scores(shown[modality][row]))


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
    moved = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(moved - np.log(np.exp(moved).sum(axis=1, keepdims=True)))


def softmax(logits: Floats) -> Floats:
    return np.asarray(np.exp(log_softmax(logits)))

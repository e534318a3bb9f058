"""Properties of the calibrated log-linear fusion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.domain.emotion import EMOTIONS, SENTIMENTS, Emotion, EmotionReading, Modality, ModalityStatus, Sentiment
from shared.domain.error import InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.fusion_loglinear import (
    ANCHORS,
    SENTIMENT_OF,
    LogLinearFusion,
    Parameters,
    Trust,
    evidence_of,
    read_parameters,
)
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.weights.model_cards import BUNDLED, list_cards
from shared.ports.engines import Calibration, Encoding, SentimentHead, UtteranceClip
from shared.ports.media import Audio, Floats
from tests.fakes import silent, utterance

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE
UNIFORM = dict.fromkeys(EMOTIONS, 1 / 7)
SKEWED = dict(zip(EMOTIONS, (0.1, 0.05, 0.05, 0.2, 0.4, 0.1, 0.1), strict=True))
THIRDS = dict.fromkeys(SENTIMENTS, 1 / 3)
ALL_OFF: dict[Modality, str | None] = dict.fromkeys(Modality)

logits = arrays(np.float32, (1, 7), elements=st.floats(-3, 3, width=32))


CALIBRATION = {
    TEXT: Calibration(),
    VOICE: Calibration(prior=SKEWED, temperature=1.5),
    FACE: Calibration(),
}


def parameters(*, prior: dict[Emotion, float] = SKEWED) -> Parameters:
    return Parameters(
        fitted="by hand, for a test",
        deployment_prior=prior,
        clip=6,
        modalities={
            TEXT: Trust(weight=1, cap=1),
            VOICE: Trust(weight=0.9, cap=0.35),
            FACE: Trust(weight=0.5, cap=0.5),
        },
    )


def encoded(
    modality: Modality,
    values: Floats,
    *,
    reliability: float = 1.0,
    missing: str | None = None,
    sentiment: Floats | None = None,
    calibration: Calibration | None = None,
) -> Encoding:
    rows = len(values)
    return Encoding(
        modality,
        values,
        np.zeros((rows, 0), np.float32),
        (missing,) * rows,
        np.full(rows, reliability, np.float32),
        sentiment,
        calibration or CALIBRATION[modality],
    )


def clips(rows: int) -> list[UtteranceClip]:
    return [UtteranceClip(utterance(row, row, row + 1), Audio(silent(1)), "no_video") for row in range(rows)]


def fuse(*encodings: Encoding, rows: int = 1) -> EmotionReading:
    fusion = LogLinearFusion(parameters())
    return fusion.fuse(encodings, absent=ALL_OFF, conversation=clips(rows))[0]


def vector(reading: EmotionReading) -> Floats:
    return np.array([reading.scores[emotion] for emotion in EMOTIONS])


def softmax(values: Floats) -> Floats:
    exponentials = np.exp(values - values.max())
    return np.asarray(exponentials / exponentials.sum())


def likely(emotion: Emotion, strength: float = 2.0) -> Floats:
    values = np.zeros((1, 7), np.float32)
    values[0, EMOTIONS.index(emotion)] = strength
    return values


def test_result_without_available_modalities_is_the_prior() -> None:
    anything = likely(Emotion.FEAR)
    reading = fuse(*(encoded(modality, anything, missing="too_short") for modality in Modality))
    np.testing.assert_allclose(vector(reading), list(SKEWED.values()), atol=1e-6)
    assert fuse().scores == reading.scores


@given(logits, logits)
def test_unavailable_or_unreliable_modality_changes_nothing(text: Floats, voice: Floats) -> None:
    alone = vector(fuse(encoded(TEXT, text)))
    np.testing.assert_allclose(vector(fuse(encoded(TEXT, text), encoded(VOICE, voice, missing="low_snr"))), alone)
    np.testing.assert_allclose(vector(fuse(encoded(TEXT, text), encoded(VOICE, voice, reliability=0))), alone)


@given(logits, st.floats(0, 1))
def test_modality_that_equals_its_prior_changes_nothing(text: Floats, reliability: float) -> None:
    its_prior = (np.log([list(SKEWED.values())]) * 1.5).astype(np.float32)  # calibrated with T = 1.5
    alone = vector(fuse(encoded(TEXT, text)))
    np.testing.assert_allclose(
        vector(fuse(encoded(TEXT, text), encoded(VOICE, its_prior, reliability=reliability))), alone, atol=1e-5
    )


@given(logits)
def test_text_alone_with_full_weight_is_its_calibrated_posterior(text: Floats) -> None:
    reading = fuse(encoded(TEXT, text, calibration=Calibration(prior=SKEWED, temperature=1.7)))
    np.testing.assert_allclose(vector(reading), softmax(text[0] / 1.7), atol=1e-5)


@given(logits, logits, logits)
def test_order_of_modalities_does_not_matter(text: Floats, voice: Floats, face: Floats) -> None:
    three = [encoded(TEXT, text), encoded(VOICE, voice), encoded(FACE, face)]
    assert fuse(*three) == fuse(*reversed(three))


@pytest.mark.parametrize("value", [-np.inf, -1e30, 1e30])
def test_extreme_logits_give_finite_probabilities(value: float) -> None:
    """Clipping limits the evidence of a single modality."""
    values = np.zeros((1, 7), np.float32)
    values[0, 0] = value
    reading = fuse(encoded(TEXT, values))
    assert np.isfinite(vector(reading)).all()
    assert vector(reading).min() > 0


def test_emotion_that_a_network_cannot_emit_gets_no_evidence() -> None:
    silent = CALIBRATION[VOICE].model_copy(update={"cannot_emit": (Emotion.SURPRISE,)})

    def surprised(strength: float) -> Encoding:
        return encoded(VOICE, likely(Emotion.SURPRISE, strength), calibration=silent)

    assert evidence_of(surprised(9.0))[0, EMOTIONS.index(Emotion.SURPRISE)] == 0
    assert fuse(surprised(9.0)).scores == fuse(surprised(1.0)).scores


def test_evidence_is_weighted_by_cap_weight_and_reliability() -> None:
    """p = softmax(log pi* + r w l), computed by hand."""
    values = likely(Emotion.SADNESS)
    beyond = np.log(softmax(values[0] / 1.5)) - np.log(list(SKEWED.values()))
    expected = softmax(np.asarray(np.log(list(SKEWED.values())) + 0.5 * 0.35 * beyond))
    np.testing.assert_allclose(vector(fuse(encoded(VOICE, values, reliability=0.5))), expected, atol=1e-6)


def test_the_weight_of_an_engine_replaces_that_of_its_modality_below_the_cap() -> None:
    voice = encoded(VOICE, likely(Emotion.SADNESS))
    capped, unused = replace(voice, fusion_weight=0.9), replace(voice, fusion_weight=0.0)
    assert fuse(capped).scores == fuse(voice).scores, "the cap limits both"
    assert fuse(unused).scores == fuse().scores


def test_modality_reading_does_not_depend_on_its_weight() -> None:
    reading = fuse(encoded(VOICE, likely(Emotion.JOY, 3.0), reliability=0.1))
    shown = reading.modalities[VOICE].scores
    assert shown is not None
    expected = softmax(likely(Emotion.JOY, 3.0)[0] / 1.5)  # its prior equals the deployment prior
    np.testing.assert_allclose([shown[emotion] for emotion in EMOTIONS], expected, atol=1e-6)
    assert reading.label is Emotion.NEUTRAL


def test_every_modality_has_a_status_and_a_reason() -> None:
    fusion = LogLinearFusion(parameters())
    (reading,) = fusion.fuse(
        [encoded(TEXT, likely(Emotion.JOY), missing="too_short")],
        absent={VOICE: "engine_failed", FACE: None},
        conversation=clips(1),
    )
    states = {modality: (part.status, part.reason) for modality, part in reading.modalities.items()}
    assert states == {
        TEXT: (ModalityStatus.UNAVAILABLE, "too_short"),
        VOICE: (ModalityStatus.FAILED, "engine_failed"),
        FACE: (ModalityStatus.OFF, None),
    }


def test_rows_are_independent() -> None:
    values = np.concatenate([likely(Emotion.ANGER, 4.0), likely(Emotion.JOY, 4.0)])
    readings = LogLinearFusion(parameters()).fuse([encoded(TEXT, values)], absent=ALL_OFF, conversation=clips(2))
    assert [reading.label for reading in readings] == [Emotion.ANGER, Emotion.JOY]
    assert [reading.sentiment.label for reading in readings] == [Sentiment.NEGATIVE, Sentiment.POSITIVE]
    assert LogLinearFusion(parameters()).fuse([], absent=ALL_OFF, conversation=[]) == []


@given(logits)
def test_without_a_sentiment_head_sentiment_follows_from_the_emotions(voice: Floats) -> None:
    """P(negative) = anger + disgust + fear + sadness + .51 surprise; the rest of surprise is positive."""
    reading = fuse(encoded(VOICE, voice))
    p = reading.scores
    negative = p[Emotion.ANGER] + p[Emotion.DISGUST] + p[Emotion.FEAR] + p[Emotion.SADNESS] + 0.51 * p[Emotion.SURPRISE]
    assert reading.sentiment.scores[Sentiment.NEGATIVE] == pytest.approx(negative)
    assert reading.sentiment.scores[Sentiment.POSITIVE] == pytest.approx(p[Emotion.JOY] + 0.49 * p[Emotion.SURPRISE])


WITH_HEAD = Calibration(sentiment=SentimentHead(temperature=2.0, prior=THIRDS))


def test_sentiment_head_is_used_if_available() -> None:
    sentiment_logits = np.array([[3.0, 0.0, -1.0]], np.float32)
    reading = fuse(encoded(TEXT, likely(Emotion.SURPRISE), sentiment=sentiment_logits, calibration=WITH_HEAD))
    prior = np.array(list(SKEWED.values())) @ SENTIMENT_OF
    expected = softmax(np.asarray(np.log(prior) + sentiment_logits[0] / 2, dtype=np.float32))
    np.testing.assert_allclose(
        [reading.sentiment.scores[sentiment_logits] for sentiment_logits in SENTIMENTS], expected, atol=1e-6
    )


def test_modality_without_a_head_adds_sentiment_evidence() -> None:
    sentiment_logits = np.zeros((1, 3), np.float32)
    text = encoded(TEXT, likely(Emotion.NEUTRAL), sentiment=sentiment_logits, calibration=WITH_HEAD)
    before = fuse(text).sentiment.scores
    after = fuse(text, encoded(FACE, likely(Emotion.JOY, 4.0))).sentiment.scores
    assert after[Sentiment.POSITIVE] > before[Sentiment.POSITIVE] + 0.1


def test_sentiment_follows_from_emotions_if_the_head_is_unavailable() -> None:
    sentiment_logits = np.array([[9.0, 0.0, 0.0]], np.float32)
    text = encoded(TEXT, likely(Emotion.ANGER), sentiment=sentiment_logits, missing="language", calibration=WITH_HEAD)
    reading = fuse(text, encoded(FACE, likely(Emotion.JOY, 4.0)))
    np.testing.assert_allclose(
        [reading.sentiment.scores[sentiment_logits] for sentiment_logits in SENTIMENTS],
        vector(reading) @ SENTIMENT_OF,
        atol=1e-6,
    )


def test_valence_and_arousal_are_expectations_over_the_anchors() -> None:
    reading = fuse(encoded(TEXT, likely(Emotion.JOY, 4.0)))
    assert reading.valence is not None
    assert reading.arousal is not None
    np.testing.assert_allclose([reading.valence, reading.arousal], vector(reading) @ ANCHORS, atol=1e-9)
    assert reading.valence > 0.4
    assert reading.confidence == reading.scores[Emotion.JOY]


def setup(tmp_path: Path) -> Setup:
    return Setup(engines=EngineSettings(models_dir=tmp_path), media=MediaSettings())


def test_bundled_parameters_are_complete(tmp_path: Path) -> None:
    bundled = read_parameters(BUNDLED / "fusion_loglinear.json")
    assert set(bundled.modalities) == set(Modality)
    calibrations = [card.calibration for card in list_cards() if card.slot in tuple(Modality)]
    for prior in (bundled.deployment_prior, *(calibration.prior for calibration in calibrations)):
        assert set(prior) == set(EMOTIONS)
        assert sum(prior.values()) == pytest.approx(1, abs=1e-4)
    assert {m: trust.cap for m, trust in bundled.modalities.items()} == {TEXT: 1.0, FACE: 0.5, VOICE: 0.35}
    assert LogLinearFusion.load(None, setup(tmp_path)).fingerprint == LogLinearFusion(bundled).fingerprint


def test_fingerprint_changes_with_the_parameters() -> None:
    assert LogLinearFusion(parameters()).fingerprint != LogLinearFusion(parameters(prior=UNIFORM)).fingerprint


def test_unknown_option_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        LogLinearFusion.load("m2fnet", setup(tmp_path))

"""The properties that calibrated log-linear fusion promises."""

from __future__ import annotations

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
from shared.engines.model_cards import BUNDLED, list_cards
from shared.engines.settings import EngineSettings, MediaSettings
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


def heard(
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


def said(rows: int) -> list[UtteranceClip]:
    return [UtteranceClip(utterance(row, row, row + 1), Audio(silent(1)), "no_video") for row in range(rows)]


def fuse(*encodings: Encoding, rows: int = 1) -> EmotionReading:
    fusion = LogLinearFusion(parameters())
    return fusion.fuse(encodings, absent=ALL_OFF, conversation=said(rows))[0]


def vector(reading: EmotionReading) -> Floats:
    return np.array([reading.scores[emotion] for emotion in EMOTIONS])


def softmax(values: Floats) -> Floats:
    grown = np.exp(values - values.max())
    return np.asarray(grown / grown.sum())


def likely(emotion: Emotion, strength: float = 2.0) -> Floats:
    values = np.zeros((1, 7), np.float32)
    values[0, EMOTIONS.index(emotion)] = strength
    return values


def test_with_nothing_available_the_prior_remains() -> None:
    anything = likely(Emotion.FEAR)
    reading = fuse(*(heard(modality, anything, missing="too_short") for modality in Modality))
    np.testing.assert_allclose(vector(reading), list(SKEWED.values()), atol=1e-6)
    assert fuse().scores == reading.scores


@given(logits, logits)
def test_an_unavailable_sense_and_one_without_reliability_change_nothing(text: Floats, voice: Floats) -> None:
    alone = vector(fuse(heard(TEXT, text)))
    np.testing.assert_allclose(vector(fuse(heard(TEXT, text), heard(VOICE, voice, missing="low_snr"))), alone)
    np.testing.assert_allclose(vector(fuse(heard(TEXT, text), heard(VOICE, voice, reliability=0))), alone)


@given(logits, st.floats(0, 1))
def test_a_sense_that_says_what_its_prior_says_changes_nothing(text: Floats, reliability: float) -> None:
    its_prior = (np.log([list(SKEWED.values())]) * 1.5).astype(np.float32)  # calibrated with T = 1.5
    alone = vector(fuse(heard(TEXT, text)))
    np.testing.assert_allclose(
        vector(fuse(heard(TEXT, text), heard(VOICE, its_prior, reliability=reliability))), alone, atol=1e-5
    )


@given(logits)
def test_text_alone_with_full_weight_is_the_calibrated_text_posterior(text: Floats) -> None:
    reading = fuse(heard(TEXT, text, calibration=Calibration(prior=SKEWED, temperature=1.7)))
    np.testing.assert_allclose(vector(reading), softmax(text[0] / 1.7), atol=1e-5)


@given(logits, logits, logits)
def test_the_order_of_the_senses_does_not_matter(text: Floats, voice: Floats, face: Floats) -> None:
    three = [heard(TEXT, text), heard(VOICE, voice), heard(FACE, face)]
    assert fuse(*three) == fuse(*reversed(three))


@pytest.mark.parametrize("value", [-np.inf, -1e30, 1e30])
def test_a_probability_of_zero_or_one_stays_finite(value: float) -> None:
    """Clipping: no single sense is ever believed without limit."""
    values = np.zeros((1, 7), np.float32)
    values[0, 0] = value
    reading = fuse(heard(TEXT, values))
    assert np.isfinite(vector(reading)).all()
    assert vector(reading).min() > 0


def test_an_emotion_that_a_network_cannot_emit_gets_no_evidence_from_it() -> None:
    silent = CALIBRATION[VOICE].model_copy(update={"cannot_emit": (Emotion.SURPRISE,)})

    def surprised(strength: float) -> Encoding:
        return heard(VOICE, likely(Emotion.SURPRISE, strength), calibration=silent)

    assert evidence_of(surprised(9.0))[0, EMOTIONS.index(Emotion.SURPRISE)] == 0
    assert fuse(surprised(9.0)).scores == fuse(surprised(1.0)).scores


def test_evidence_is_weighted_by_the_cap_the_weight_and_the_reliability() -> None:
    """p = softmax(log pi* + r w l), written out once by hand."""
    values = likely(Emotion.SADNESS)
    beyond = np.log(softmax(values[0] / 1.5)) - np.log(list(SKEWED.values()))
    expected = softmax(np.asarray(np.log(list(SKEWED.values())) + 0.5 * 0.35 * beyond))
    np.testing.assert_allclose(vector(fuse(heard(VOICE, values, reliability=0.5))), expected, atol=1e-6)


def test_each_sense_shows_its_own_posterior_whatever_its_weight() -> None:
    reading = fuse(heard(VOICE, likely(Emotion.JOY, 3.0), reliability=0.1))
    shown = reading.modalities[VOICE].scores
    assert shown is not None
    expected = softmax(likely(Emotion.JOY, 3.0)[0] / 1.5)  # its prior happens to be the deployment's
    np.testing.assert_allclose([shown[emotion] for emotion in EMOTIONS], expected, atol=1e-6)
    assert reading.label is Emotion.NEUTRAL


def test_every_sense_has_a_state_and_its_reason() -> None:
    fusion = LogLinearFusion(parameters())
    (reading,) = fusion.fuse(
        [heard(TEXT, likely(Emotion.JOY), missing="too_short")],
        absent={VOICE: "engine_failed", FACE: None},
        conversation=said(1),
    )
    states = {modality: (sense.status, sense.reason) for modality, sense in reading.modalities.items()}
    assert states == {
        TEXT: (ModalityStatus.UNAVAILABLE, "too_short"),
        VOICE: (ModalityStatus.FAILED, "engine_failed"),
        FACE: (ModalityStatus.OFF, None),
    }


def test_rows_are_read_apart() -> None:
    values = np.concatenate([likely(Emotion.ANGER, 4.0), likely(Emotion.JOY, 4.0)])
    readings = LogLinearFusion(parameters()).fuse([heard(TEXT, values)], absent=ALL_OFF, conversation=said(2))
    assert [reading.label for reading in readings] == [Emotion.ANGER, Emotion.JOY]
    assert [reading.sentiment.label for reading in readings] == [Sentiment.NEGATIVE, Sentiment.POSITIVE]
    assert LogLinearFusion(parameters()).fuse([], absent=ALL_OFF, conversation=[]) == []


@given(logits)
def test_without_a_sentiment_head_sentiment_follows_from_the_emotions(voice: Floats) -> None:
    """P(negative) = anger + disgust + fear + sadness + .51 surprise; the rest of surprise is positive."""
    reading = fuse(heard(VOICE, voice))
    p = reading.scores
    negative = p[Emotion.ANGER] + p[Emotion.DISGUST] + p[Emotion.FEAR] + p[Emotion.SADNESS] + 0.51 * p[Emotion.SURPRISE]
    assert reading.sentiment.scores[Sentiment.NEGATIVE] == pytest.approx(negative)
    assert reading.sentiment.scores[Sentiment.POSITIVE] == pytest.approx(p[Emotion.JOY] + 0.49 * p[Emotion.SURPRISE])


WITH_HEAD = Calibration(sentiment=SentimentHead(temperature=2.0, prior=THIRDS))


def test_a_sentiment_head_decides_where_it_is_heard() -> None:
    mood = np.array([[3.0, 0.0, -1.0]], np.float32)
    reading = fuse(heard(TEXT, likely(Emotion.SURPRISE), sentiment=mood, calibration=WITH_HEAD))
    prior = np.array(list(SKEWED.values())) @ SENTIMENT_OF
    expected = softmax(np.asarray(np.log(prior) + mood[0] / 2, dtype=np.float32))
    np.testing.assert_allclose([reading.sentiment.scores[mood] for mood in SENTIMENTS], expected, atol=1e-6)


def test_senses_without_a_head_add_to_one_that_has_it() -> None:
    mood = np.zeros((1, 3), np.float32)
    text = heard(TEXT, likely(Emotion.NEUTRAL), sentiment=mood, calibration=WITH_HEAD)
    before = fuse(text).sentiment.scores
    after = fuse(text, heard(FACE, likely(Emotion.JOY, 4.0))).sentiment.scores
    assert after[Sentiment.POSITIVE] > before[Sentiment.POSITIVE] + 0.1


def test_a_head_that_is_not_heard_leaves_the_rule() -> None:
    mood = np.array([[9.0, 0.0, 0.0]], np.float32)
    text = heard(TEXT, likely(Emotion.ANGER), sentiment=mood, missing="language", calibration=WITH_HEAD)
    reading = fuse(text, heard(FACE, likely(Emotion.JOY, 4.0)))
    np.testing.assert_allclose(
        [reading.sentiment.scores[mood] for mood in SENTIMENTS], vector(reading) @ SENTIMENT_OF, atol=1e-6
    )


def test_valence_and_arousal_are_expectations_over_the_anchors() -> None:
    reading = fuse(heard(TEXT, likely(Emotion.JOY, 4.0)))
    assert reading.valence is not None
    assert reading.arousal is not None
    np.testing.assert_allclose([reading.valence, reading.arousal], vector(reading) @ ANCHORS, atol=1e-9)
    assert reading.valence > 0.4
    assert reading.confidence == reading.scores[Emotion.JOY]


def setup(tmp_path: Path) -> Setup:
    return Setup(engines=EngineSettings(models_dir=tmp_path), media=MediaSettings())


def test_the_bundled_parameters_are_whole(tmp_path: Path) -> None:
    bundled = read_parameters(BUNDLED / "fusion_loglinear.json")
    assert set(bundled.modalities) == set(Modality)
    calibrations = [card.calibration for card in list_cards() if card.slot in tuple(Modality)]
    for prior in (bundled.deployment_prior, *(calibration.prior for calibration in calibrations)):
        assert set(prior) == set(EMOTIONS)
        assert sum(prior.values()) == pytest.approx(1, abs=1e-4)
    assert {m: sense.cap for m, sense in bundled.modalities.items()} == {TEXT: 1.0, FACE: 0.5, VOICE: 0.35}
    assert LogLinearFusion.load(None, setup(tmp_path)).fingerprint == LogLinearFusion(bundled).fingerprint


def test_the_fingerprint_changes_with_any_parameter() -> None:
    assert LogLinearFusion(parameters()).fingerprint != LogLinearFusion(parameters(prior=UNIFORM)).fingerprint


def test_an_option_that_means_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        LogLinearFusion.load("m2fnet", setup(tmp_path))

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain import error
from shared.domain.emotion import (
    EMOTIONS,
    Emotion,
    EmotionScores,
    Modality,
    ModalityReading,
    ModalityStatus,
    Sentiment,
    SentimentScores,
)
from shared.domain.error import UndertoneError
from shared.domain.governance import Purpose
from shared.domain.job import JobOptions
from shared.domain.span import Span, span, union
from shared.domain.transcript import disclose

UNIFORM = dict.fromkeys(EMOTIONS, 1 / 7)
times = st.floats(0, 1000, allow_nan=False)
spans = st.tuples(times, times).map(lambda pair: span(min(pair), max(pair)))


def test_span_duration_middle_overlap_and_clip() -> None:
    one = span(1, 3)
    assert (one.duration, one.middle, one.span) == (2, 2, one)
    assert one.overlap(span(2, 5)) == 1
    assert one.overlap(span(4, 5)) == 0
    assert one.clipped(span(2, 5)) == span(2, 3)
    assert one.clipped(span(3, 5)) is None


@pytest.mark.parametrize("bounds", [(2.0, 1.0), (-1.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_invalid_span_is_rejected(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        Span(start=bounds[0], end=bounds[1])


@given(st.lists(spans, max_size=12), st.floats(0, 5))
def test_union_is_ordered_disjoint_and_covers_the_same_time(pieces: list[Span], gap: float) -> None:
    joined = union(pieces, gap=gap)
    assert all(one.end + gap < other.start for one, other in pairwise(joined))
    assert all(any(whole.start <= piece.start and piece.end <= whole.end for whole in joined) for piece in pieces)
    assert {whole.start for whole in joined} <= {piece.start for piece in pieces}
    assert {whole.end for whole in joined} <= {piece.end for piece in pieces}


@pytest.mark.parametrize(
    "scores",
    [
        {Emotion.JOY: 1.0},
        {**UNIFORM, Emotion.JOY: 0.9},
        {**UNIFORM, Emotion.JOY: -1 / 7, Emotion.ANGER: 3 / 7},
    ],
    ids=["missing labels", "wrong sum", "negative"],
)
def test_scores_that_are_not_a_distribution_are_rejected(scores: dict[Emotion, float]) -> None:
    with pytest.raises(ValidationError, match="scores must"):
        EmotionScores(scores)


def test_scores_are_indexed_by_label() -> None:
    scores = EmotionScores({**dict.fromkeys(EMOTIONS, 0.0), Emotion.FEAR: 1.0})
    assert scores.label is Emotion.FEAR
    assert scores[Emotion.FEAR] == 1.0
    mood = SentimentScores({Sentiment.NEGATIVE: 0.7, Sentiment.NEUTRAL: 0.2, Sentiment.POSITIVE: 0.1})
    assert (mood.label, mood[Sentiment.POSITIVE]) == (Sentiment.NEGATIVE, 0.1)


@pytest.mark.parametrize(
    "facts",
    [
        {"status": ModalityStatus.OK},
        {"status": ModalityStatus.OFF, "scores": EmotionScores(UNIFORM)},
        {"status": ModalityStatus.UNAVAILABLE},
        {"status": ModalityStatus.FAILED},
    ],
)
def test_modality_reading_has_scores_or_a_reason(facts: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="a modality has scores|unavailable or failed"):
        ModalityReading.model_validate(facts)


def test_number_and_maximum_of_speakers_are_mutually_exclusive() -> None:
    with pytest.raises(ValidationError, match="not both"):
        JobOptions(speakers=2, max_speakers=3)


@pytest.mark.parametrize(
    ("used", "notice", "biometric"),
    [
        ((), "nothing", False),
        ((Modality.TEXT,), "the words. It", False),
        ((Modality.FACE, Modality.TEXT, Modality.VOICE), "the words, the voice and the face. It", True),
    ],
)
def test_disclosure_names_the_used_modalities(used: tuple[Modality, ...], notice: str, biometric: bool) -> None:
    disclosure = disclose(used, Purpose.RESEARCH)
    assert notice in disclosure.notice
    assert disclosure.biometric is biometric
    assert disclosure.purpose is Purpose.RESEARCH


def test_every_error_has_a_unique_code_and_is_documented() -> None:
    kinds = [kind for kind in vars(error).values() if isinstance(kind, type) and issubclass(kind, UndertoneError)]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.__name__ in (error.__doc__ or "") for kind in kinds)
    assert all(kind.exit_status != 0 and 400 <= kind.http_status < 600 for kind in kinds)

"""The perceived emotion of an utterance as a person corrected it."""

from __future__ import annotations

from shared.domain.emotion import (
    EMOTIONS,
    SENTIMENTS,
    Emotion,
    EmotionReading,
    EmotionScores,
    Sentiment,
    SentimentReading,
    SentimentScores,
)

SENTIMENT_OF = {Emotion.JOY: Sentiment.POSITIVE, Emotion.NEUTRAL: Sentiment.NEUTRAL}


def human_reading(reading: EmotionReading, label: Emotion) -> EmotionReading:
    """The reading for a manually chosen label: confidence 1, with the modalities' own readings unchanged.

    The correction does not state an intensity, so valence and arousal are unknown. Surprise may be positive or
    negative, so its sentiment stays as perceived.
    """
    sentiment = reading.sentiment
    if label is not Emotion.SURPRISE:
        mood = SENTIMENT_OF.get(label, Sentiment.NEGATIVE)
        scores = SentimentScores({one: float(one is mood) for one in SENTIMENTS})
        sentiment = SentimentReading(label=mood, scores=scores)
    return EmotionReading(
        label=label,
        confidence=1.0,
        scores=EmotionScores({one: float(one is label) for one in EMOTIONS}),
        sentiment=sentiment,
        modalities=reading.modalities,
    )

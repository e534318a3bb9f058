"""Maps the labels of each corpus to the seven emotions and the three sentiments."""

from __future__ import annotations

import numpy as np

from shared.domain.emotion import EMOTIONS, SENTIMENTS, Emotion, Sentiment

NUMBER = {emotion: number for number, emotion in enumerate(EMOTIONS)}
SENTIMENT_NUMBER = {sentiment: number for number, sentiment in enumerate(SENTIMENTS)}
UNKNOWN = -1  # no label: masked in every loss

# Codes in the third place of a RAVDESS file name; calm is neutral.
RAVDESS = {
    "01": Emotion.NEUTRAL,
    "02": Emotion.NEUTRAL,
    "03": Emotion.JOY,
    "04": Emotion.SADNESS,
    "05": Emotion.ANGER,
    "06": Emotion.FEAR,
    "07": Emotion.DISGUST,
    "08": Emotion.SURPRISE,
}
# Letters in the sixth place of an EmoDB file name; L, boredom, is not one of the seven emotions.
EMODB = {
    "W": Emotion.ANGER,
    "E": Emotion.DISGUST,
    "A": Emotion.FEAR,
    "F": Emotion.JOY,
    "N": Emotion.NEUTRAL,
    "T": Emotion.SADNESS,
}
CREMA_D = {
    "ANG": Emotion.ANGER,
    "DIS": Emotion.DISGUST,
    "FEA": Emotion.FEAR,
    "HAP": Emotion.JOY,
    "NEU": Emotion.NEUTRAL,
    "SAD": Emotion.SADNESS,
}
# Frustration is the largest class of IEMOCAP and nearest to anger; "oth" and "xxx" are dropped.
IEMOCAP = {
    "ang": Emotion.ANGER,
    "fru": Emotion.ANGER,
    "dis": Emotion.DISGUST,
    "fea": Emotion.FEAR,
    "hap": Emotion.JOY,
    "exc": Emotion.JOY,
    "neu": Emotion.NEUTRAL,
    "sad": Emotion.SADNESS,
    "sur": Emotion.SURPRISE,
}
# MELD labels the same lines of Friends: "peaceful" and "powerful" are mostly neutral there.
EMORYNLP = {
    "Mad": Emotion.ANGER,
    "Scared": Emotion.FEAR,
    "Joyful": Emotion.JOY,
    "Neutral": Emotion.NEUTRAL,
    "Peaceful": Emotion.NEUTRAL,
    "Powerful": Emotion.NEUTRAL,
    "Sad": Emotion.SADNESS,
}
GOEMOTIONS = {
    Emotion.ANGER: ("anger", "annoyance", "disapproval"),
    Emotion.DISGUST: ("disgust",),
    Emotion.FEAR: ("fear", "nervousness"),
    Emotion.JOY: (
        "joy", "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "love",
        "optimism", "pride", "relief",
    ),
    Emotion.SADNESS: ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
    Emotion.SURPRISE: ("surprise", "confusion", "curiosity", "realization"),
    Emotion.NEUTRAL: ("neutral",),
}  # fmt: skip
EKMAN_OF_GOEMOTIONS = {fine: emotion for emotion, names in GOEMOTIONS.items() for fine in names}

# The sentiment of an emotion; surprise has none.
SENTIMENT_OF = {
    Emotion.ANGER: Sentiment.NEGATIVE,
    Emotion.DISGUST: Sentiment.NEGATIVE,
    Emotion.FEAR: Sentiment.NEGATIVE,
    Emotion.JOY: Sentiment.POSITIVE,
    Emotion.NEUTRAL: Sentiment.NEUTRAL,
    Emotion.SADNESS: Sentiment.NEGATIVE,
}

# Emotion counts of each corpus' training split, in the order of EMOTIONS: the prior for its other splits.
COUNTS = {
    "meld": (1109, 271, 268, 1743, 4710, 683, 1205),
    "goemotions": (5579, 793, 726, 17410, 14219, 3263, 5367),
    "emorynlp": (785, 1, 941, 1677, 3674, 474, 1),
    "fer2013": (3995, 436, 4097, 7215, 4965, 4830, 3171),
    "ravdess": (160, 160, 160, 160, 240, 160, 160),
    "emodb": (1, 1, 1, 1, 1, 1, 0),  # treated as balanced; it has no surprise
    "crema-d": (1, 1, 1, 1, 1, 1, 0),
}


def prior_of(corpus: str) -> np.ndarray | None:
    """The class prior of a corpus, or None if it is unknown."""
    counts = COUNTS.get(corpus)
    return None if counts is None else np.maximum(np.array(counts) / sum(counts), 1e-4)


def prior(labels: list[int] | np.ndarray, classes: int) -> np.ndarray:
    """The share of each class among the known labels, with smoothing so that no class has probability zero."""
    known = np.asarray(labels)
    counts = np.bincount(known[known != UNKNOWN], minlength=classes) + 0.5
    return np.asarray(counts / counts.sum())

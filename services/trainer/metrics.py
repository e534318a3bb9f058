"""Classification metrics of emotion networks, pooled over all predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from shared.domain.emotion import EMOTIONS

BINS = 15


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def classification_metrics(logits: np.ndarray, truth: np.ndarray, names: tuple[str, ...] = EMOTIONS) -> dict[str, Any]:
    """`uar` is the mean recall, and `macro_f1` the mean F1, over the classes that are present."""
    scores = softmax(logits)
    predicted, confidence = scores.argmax(axis=1), scores.max(axis=1)
    labels = list(range(len(names)))
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    present = support > 0
    return {
        "n": len(truth),
        "accuracy": _round((predicted == truth).mean()),
        "weighted_f1": _round((f1 * support).sum() / support.sum()),
        "macro_f1": _round(f1[present].mean()),
        "uar": _round(recall[present].mean()),
        "ece": _round(calibration_error(predicted == truth, confidence)),
        "nll": _round(-np.log(scores[np.arange(len(truth)), truth] + 1e-12).mean()),
        "majority": _round(support.max() / support.sum()),
        "per_class": {
            str(name): {"precision": _round(p), "recall": _round(r), "f1": _round(f), "support": int(n)}
            for name, p, r, f, n in zip(names, precision, recall, f1, support, strict=True)
        },
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),  # (truth, predicted)
    }


def calibration_error(right: np.ndarray, confidence: np.ndarray) -> float:
    """Expected calibration error of the top class, in 15 bins of equal width."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = (abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in set(bins))
    return float(sum(gaps))


def _round(value: float) -> float:
    return round(float(value), 4)

"""The plots of a run: confusion matrix, reliability diagram and coverage curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from services.trainer.metrics import BINS, calibration_error, classification_metrics, softmax
from shared.domain.emotion import EMOTIONS, Emotion

SHARES = (1.0, 0.8, 0.6, 0.4, 0.2)
PAPER, INK, GREY = "#ffffff", "#1d4e89", "#b8c4d0"


def draw_plots(logits: np.ndarray, truth: np.ndarray, folder: Path) -> None:
    """Writes confusion.png, reliability.png and coverage.png from calibrated logits."""
    _confusion(logits, truth).savefig(folder / "confusion.png")
    _reliability(logits, truth).savefig(folder / "reliability.png")
    _coverage(logits, truth).savefig(folder / "coverage.png")


def coverage(logits: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Metrics of the most confident rows only.

    If confidence means "neutral", low coverage looks good at no cost: the share of neutral is therefore reported too.
    """
    confidence = softmax(logits).max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    rows = []
    for share in SHARES:
        kept = order[: max(1, round(share * len(order)))]
        found, predicted = classification_metrics(logits[kept], truth[kept]), logits[kept].argmax(axis=1)
        other = predicted != EMOTIONS.index(Emotion.NEUTRAL)
        right = predicted == truth[kept]
        rows.append(
            {
                "coverage": share,
                "accuracy": found["accuracy"],
                "macro_f1": found["macro_f1"],
                "share_neutral": round(float(1 - other.mean()), 4),
                "precision_of_the_rest": round(float(right[other].mean()) if other.any() else 0.0, 4),
            }
        )
    return rows


def _figure(width: float, height: float) -> Figure:
    """A figure rendered in memory, without a display or shared state."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def _confusion(logits: np.ndarray, truth: np.ndarray) -> Figure:
    counts = np.array(classification_metrics(logits, truth)["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(6.4, 5.6)
    axes = figure.add_subplot(xlabel="predicted", ylabel="labelled")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(EMOTIONS)), _names(), rotation=40, ha="right")
    axes.set_yticks(range(len(EMOTIONS)), _names())
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=shade, fontsize=8)
    return figure


def _reliability(logits: np.ndarray, truth: np.ndarray) -> Figure:
    scores = softmax(logits)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    used = sorted(set(bins.tolist()))
    figure = _figure(5.2, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    above.plot([confidence[bins == b].mean() for b in used], [right[bins == b].mean() for b in used], "o-", color=INK)
    above.set(ylabel="accuracy", ylim=(0, 1), title=f"calibration error {calibration_error(right, confidence):.3f}")
    below.bar([(b + 0.5) / BINS for b in used], [(bins == b).sum() for b in used], 0.9 / BINS, color=GREY)
    below.set(xlabel="confidence", ylabel="rows", xlim=(0, 1))
    return figure


def _coverage(logits: np.ndarray, truth: np.ndarray) -> Figure:
    rows = coverage(logits, truth)
    figure = _figure(5.2, 4.2)
    axes = figure.add_subplot(xlabel="coverage", ylabel="metric", xlim=(1.02, 0.18))
    axes.set_ylim(0, 1)
    for name, line in (("accuracy", "o-"), ("macro_f1", "s-"), ("share_neutral", "--"), ("precision_of_the_rest", ":")):
        axes.plot(SHARES, [row[name] for row in rows], line, label=name.replace("_", " "))
    axes.legend(fontsize=8)
    return figure


def _names() -> Sequence[str]:
    return [str(emotion) for emotion in EMOTIONS]

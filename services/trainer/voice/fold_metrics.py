"""The predictions of the folds on their held-out clips, and the metrics and calibration that follow from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.trainer.bundle import fit_temperature
from services.trainer.datasets.voices import SpokenClip, is_woman
from services.trainer.labels import NUMBER
from services.trainer.metrics import classification_metrics
from services.trainer.plots import draw_plots
from shared.domain.emotion import Emotion
from shared.ports.engines import Calibration

HELD_OUT = "held_out.npz"
SURPRISE = NUMBER[Emotion.SURPRISE]
NEVER = -1e4  # a logit


def write_held_out(folder: Path, logits: np.ndarray, clips: Sequence[SpokenClip]) -> None:
    np.savez(
        folder / HELD_OUT,
        logits=logits,
        truth=np.array([clip.label for clip in clips]),
        speaker=np.array([clip.speaker for clip in clips]),
    )


def write_fold_metrics(run: Path, folds: Sequence[dict[str, dict[str, float]]]) -> None:
    """Writes the mean recall of every fold and its mean over the folds, by condition and corpus."""
    metrics: dict[str, Any] = {"folds": folds}
    for condition in folds[0]:
        metrics[f"five folds, {condition}"] = {
            corpus: round(float(np.mean([fold[condition][corpus] for fold in folds])), 4)
            for corpus in folds[0][condition]
        }
    (run / "metrics.json").write_text(json.dumps(metrics, indent=2))


def calibrate(
    run: Path, folds: Sequence[str], crossed: Sequence[str], cannot_emit: tuple[Emotion, ...], plots: Path
) -> tuple[dict[str, Any], Calibration]:
    """Fits the temperature on the held-out clips of all folds, and measures with it."""
    logits, truth, speakers = _held_out(run, folds)
    logits[:, [NUMBER[emotion] for emotion in cannot_emit]] = NEVER
    temperature = fit_temperature(logits, truth)
    metrics: dict[str, Any] = {"all folds together": classification_metrics(logits / temperature, truth)}
    draw_plots(logits / temperature, truth, plots)
    metrics |= _by_sex(logits / temperature, truth, speakers)
    for part in crossed:
        logits, truth, _ = _held_out(run, [part])
        logits[:, SURPRISE] = NEVER  # EmoDB has none
        found = classification_metrics(logits / temperature, truth)
        metrics[f"{part}, six classes"] = {metric: found[metric] for metric in ("n", "uar", "nll")}
    # Emotions are drawn equally often in training, so the prior is uniform.
    return metrics, Calibration(temperature=temperature, cannot_emit=cannot_emit)


def _held_out(run: Path, parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The logits, labels and speakers of the held-out clips."""
    found = [np.load(run / part / HELD_OUT) for part in parts]
    logits, truth, speakers = (np.concatenate([one[name] for one in found]) for name in ("logits", "truth", "speaker"))
    return logits, truth, speakers


def _by_sex(logits: np.ndarray, truth: np.ndarray, speakers: np.ndarray) -> dict[str, dict[str, float]]:
    women = np.array([is_woman(speaker) for speaker in speakers])
    rows = {"women, all folds": women, "men, all folds": ~women}
    return {
        name: {metric: found[metric] for metric in ("n", "accuracy", "uar", "ece")}
        for name, own in rows.items()
        if own.any() and (found := classification_metrics(logits[own], truth[own]))
    }

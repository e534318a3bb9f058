"""Exports the trained voice networks to the bundle: ONNX, calibration on the folds, and cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.datasets.voices import is_woman
from services.trainer.labels import NUMBER
from services.trainer.metrics import classification_metrics
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.plots import draw_plots
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.train import ALL_DATA, CROSS, FOLDS, HELD_OUT, SURPRISE, cross_name
from shared.domain.emotion import Emotion
from shared.engines.features.voice_mel import BANDS
from shared.engines.weights.model_cards import BUNDLED
from shared.ports.engines import Calibration

NAME, EMODB_NAME = "voice_cnn", "voice_cnn_emodb"
EMODB_AND_BABBLE = [
    ("EmoDB", "CC0-1.0", "speakers 03, 08-14"),
    ("LibriSpeech", "CC BY 4.0", "background babble"),
]
NEVER = -1e4  # a logit


def export(run: Path, _data: Path) -> dict[str, Any]:
    """Exports two networks: one trained on all data, and one for commercial use, trained on EmoDB alone."""
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    crossed = [cross_name(learnt, tested) for learnt, tested in CROSS]
    whole = _bundled(
        NAME, run / ALL_DATA, run, "fold", crossed, metrics,
        licence="CC BY-NC-SA 4.0", commercial_use=False,
        data=[("RAVDESS speech", "CC BY-NC-SA 4.0", "actors 01-20"), *EMODB_AND_BABBLE],
    )  # fmt: skip
    alone = _bundled(
        EMODB_NAME, run / cross_name("emodb", "ravdess"), run, "emodb fold", crossed[1:], {},
        licence="CC BY 4.0", commercial_use=True, data=EMODB_AND_BABBLE, cannot_emit=(Emotion.SURPRISE,),
    )  # fmt: skip
    return {NAME: whole, EMODB_NAME: alone}


def _bundled(
    name: str, weights: Path, run: Path, fold: str, crossed: Sequence[str], metrics: dict[str, Any],
    *, licence: str, commercial_use: bool, data: list[tuple[str, str, str]], cannot_emit: tuple[Emotion, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    network = VoiceCnn()
    network.load_state_dict(torch.load(weights / "best.pt", weights_only=True))
    target = BUNDLED / f"{name}.onnx"
    write_onnx(network, next(sample_inputs()), {"emotion": {0: "row"}, "embedding": {0: "row"}}, target)
    metrics["export_max_abs_difference"] = worst_difference(network, target, sample_inputs())
    logits, truth, speakers = _held_out(run, [f"{fold} {number + 1}" for number in range(len(FOLDS))])
    logits[:, [NUMBER[emotion] for emotion in cannot_emit]] = NEVER
    temperature = fit_temperature(logits, truth)
    metrics["all folds together"] = classification_metrics(logits / temperature, truth)
    draw_plots(logits / temperature, truth, weights)
    metrics |= _by_sex(logits / temperature, truth, speakers)
    for part in crossed:
        logits, truth, _ = _held_out(run, [part])
        logits[:, SURPRISE] = NEVER  # EmoDB has none
        found = classification_metrics(logits / temperature, truth)
        metrics[f"{part}, six classes"] = {metric: found[metric] for metric in ("n", "uar", "nll")}
    write_card(
        target, slot="voice",
        architecture="four convolutions over 64 log-mel bands and three along time, attentive mean and deviation; "
        "0.4 M parameters",
        licence=licence, commercial_use=commercial_use, data=data, metrics=metrics,
        limits="Trained on acted speech with few fixed sentences: little of it transfers across corpora, so its weight "
        "in the fusion is small.",
        command="undertone train voice --data DATA && undertone export voice --data DATA", made=f"run {run.name}",
        # Emotions are drawn equally often in training, so the prior is uniform.
        calibration=Calibration(temperature=temperature, cannot_emit=cannot_emit),
    )  # fmt: skip
    return metrics


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


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths, some of them fully masked."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], int(draw.integers(40, 301))
        mask = np.arange(frames) < draw.integers(0 if number % 8 == 7 else 8, frames + 1, (batch, 1))
        yield {"mels": draw.normal(size=(batch, frames, BANDS)).astype(np.float32), "mask": mask}

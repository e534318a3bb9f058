"""Exports the trained voice networks to the bundle: ONNX, calibration on the folds, and cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import write_card
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.voice.fold_metrics import calibrate
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.train import ALL_DATA, CROSS, FOLDS, cross_name
from shared.domain.emotion import Emotion
from shared.engines.features.voice_mel import BANDS
from shared.engines.weights.model_cards import BUNDLED

NAME, EMODB_NAME = "voice_cnn", "voice_cnn_emodb"
EMODB_AND_BABBLE = [
    ("EmoDB", "CC0-1.0", "speakers 03, 08-14"),
    ("LibriSpeech", "CC BY 4.0", "background babble"),
]


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
    folds = [f"{fold} {number + 1}" for number in range(len(FOLDS))]
    measured, calibration = calibrate(run, folds, crossed, cannot_emit, weights)
    metrics |= measured
    write_card(
        target, slot="voice",
        architecture="four convolutions over 64 log-mel bands and three along time, attentive mean and deviation; "
        "0.4 M parameters",
        licence=licence, commercial_use=commercial_use, data=data, metrics=metrics,
        limits="Trained on acted speech with few fixed sentences: little of it transfers across corpora, so its weight "
        "in the fusion is small.",
        command="undertone train voice --data DATA && undertone export voice --data DATA", made=f"run {run.name}",
        calibration=calibration,
    )  # fmt: skip
    return metrics


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths, some of them fully masked."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], int(draw.integers(40, 301))
        mask = np.arange(frames) < draw.integers(0 if number % 8 == 7 else 8, frames + 1, (batch, 1))
        yield {"mels": draw.normal(size=(batch, frames, BANDS)).astype(np.float32), "mask": mask}

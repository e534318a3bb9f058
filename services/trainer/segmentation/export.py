"""Exports the trained segmentation network to the bundle: ONNX, parity check and card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import write_card
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.segmentation.network import SegmentationNet
from shared.engines.features.segmentation_mel import BANDS
from shared.engines.segmentation_powerset import NAME
from shared.engines.weights.model_cards import BUNDLED

OUTPUTS = {"classes": {0: "row", 1: "decision"}}


def export(run: Path, _data: Path) -> dict[str, Any]:
    network = SegmentationNet()
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    target = BUNDLED / f"{NAME}.onnx"
    write_onnx(network, next(sample_inputs()), OUTPUTS, target)
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    metrics["export_max_abs_difference"] = worst_difference(network, target, sample_inputs())
    write_card(
        target, slot="segmentation",
        architecture="three convolutions over 64 log-mel bands and four layers of attention and convolution over ten "
        "seconds; seven output classes, the sets of at most two of three voices; 0.6 M parameters",
        licence="CC BY 4.0", commercial_use=True,
        data=[("LibriSpeech", "CC BY 4.0", "an utterance of each of 251 speakers; every eighth held out, 30 in all"),
              ("EmoDB", "CC0-1.0", "speakers 03, 08-11, 14; 12 and 13 held out")],
        metrics=metrics,
        limits="Trained on conversations simulated from single-speaker recordings, English and German: rooms, noise "
        "and interruptions are simulated, and there is no laughter. Three simultaneous speakers are not distinguished "
        "from two. It classifies the noise of an empty room as speech, so it only trims the spans of a speech "
        "detector.",
        command="undertone train segmentation --data DATA && undertone export segmentation --data DATA",
        made=f"run {run.name}",
    )  # fmt: skip
    return metrics


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths, from one frame to more than a window."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], (500, 1, 2, 77, 333, 501)[number % 6]
        yield {"mels": draw.normal(size=(batch, frames, BANDS)).astype(np.float32)}

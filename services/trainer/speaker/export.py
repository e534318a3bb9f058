"""Exports the trained speaker encoder to the bundle: ONNX, parity check and card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import write_card
from services.trainer.export_ge2e import BANDS, FRAMES
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.speaker.network import SpeakerNet
from shared.engines.weights.model_cards import BUNDLED

NAME = "speaker_ge2e_moods"


def export(run: Path, _data: Path) -> dict[str, Any]:
    network = SpeakerNet()
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    target = BUNDLED / f"{NAME}.onnx"
    write_onnx(network, next(sample_inputs()), {"embedding": {0: "row"}}, target)
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    metrics["export_max_abs_difference"] = worst_difference(network, target, sample_inputs())
    write_card(
        target, slot="speaker",
        architecture="GE2E: 3 LSTM of 256 over 40 power mel bands; the last frame is the input of the published linear "
        "layer, last frame and mean are the input of one trained in this project; ReLU, both of unit length; "
        "1.56 M parameters",
        licence="CC BY-NC-SA 4.0", commercial_use=False,
        data=[("LibriSpeech train-other-500", "CC BY 4.0", "LSTM and published layer, from Resemblyzer"),
              ("VoxCeleb 1 and 2", "CC BY 4.0", "LSTM and published layer, from Resemblyzer"),
              ("LibriSpeech", "CC BY 4.0", ("an utterance of each of 251 speakers, also across simulated rooms; "
              "every eighth held out, 30 in all")),
              ("RAVDESS speech", "CC BY-NC-SA 4.0", "actors 01-16, also across simulated rooms; 17-20 held out"),
              ("EmoDB", "CC0-1.0", "speakers 03, 08-11, 14, also across simulated rooms; 12 and 13 held out")],
        metrics=metrics,
        limits="Trained on the emotions of a few actors with fixed sentences: strong emotion still changes an "
        "embedding more than reading does.",
        command="undertone train speaker --data DATA && undertone export speaker --data DATA", made=f"run {run.name}",
    )  # fmt: skip
    return metrics


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], (FRAMES, 40, 1, 77, 161)[number % 5]
        yield {"mels": draw.random((batch, frames, BANDS), dtype=np.float32)}

"""From the trained voice network to the bundled one: ONNX, calibrated on its folds, with its card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.figures import draw
from services.trainer.measure import measure
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.voice.network import VoiceCnn
from shared.engines.cards import BUNDLED
from shared.engines.voice_mel import BANDS
from shared.ports.engines import Calibration

NAME = "voice_cnn"


def export(run: Path, _data: Path) -> dict[str, Any]:
    network = VoiceCnn()
    network.load_state_dict(torch.load(run / "everybody" / "best.pt", weights_only=True))
    target = BUNDLED / f"{NAME}.onnx"
    write_onnx(network, next(tries()), {"emotion": {0: "row"}, "embedding": {0: "row"}}, target)
    figures: dict[str, Any] = json.loads((run / "figures.json").read_text())
    figures["export_max_abs_difference"] = worst_difference(network, target, tries())
    with np.load(run / "held_out.npz") as held_out:
        logits, truth = held_out["logits"], held_out["truth"]
    temperature = fit_temperature(logits, truth)
    figures["all folds together"] = measure(logits / temperature, truth)
    draw(logits / temperature, truth, run)
    write_card(
        target, slot="voice",
        architecture="four convolutions over 64 log-mel bands, attentive mean and deviation; 0.3 M parameters",
        licence="CC BY-NC-SA 4.0", commercial_use=False,
        data=[("RAVDESS speech", "CC BY-NC-SA 4.0", "actors 01-20"), ("EmoDB", "CC0-1.0", "speakers 03, 08-14"),
              ("LibriSpeech", "CC BY 4.0", "babble behind the voices")],
        figures=figures,
        limits="Acted speech of a handful of fixed sentences, in English and German: across corpora little of it "
        "transfers, hence its small weight in the fusion.",
        command="undertone train voice --data DATA && undertone export voice --data DATA", made=f"run {run.name}",
        # Emotions were drawn equally often, so the network favours none.
        calibration=Calibration(temperature=temperature),
    )  # fmt: skip
    return figures


def tries() -> Iterator[Inputs]:
    """Several batches and lengths, some of them all masked."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], int(draw.integers(40, 301))
        mask = np.arange(frames) < draw.integers(0 if number % 8 == 7 else 8, frames + 1, (batch, 1))
        yield {"mels": draw.normal(size=(batch, frames, BANDS)).astype(np.float32), "mask": mask}

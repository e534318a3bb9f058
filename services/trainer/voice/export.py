"""From the trained voice network to the bundled one: ONNX, calibrated on its folds, with its card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.labels import NUMBER
from services.trainer.measure import measure
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.train import CROSS, EVERYBODY, FOLDS, SURPRISE, cross_name
from shared.domain.emotion import Emotion
from shared.engines.cards import BUNDLED
from shared.engines.voice_mel import BANDS
from shared.ports.engines import Calibration

NAME, EMODB_NAME = "voice_cnn", "voice_cnn_emodb"
EMODB_AND_BABBLE = [
    ("EmoDB", "CC0-1.0", "speakers 03, 08-14"),
    ("LibriSpeech", "CC BY 4.0", "babble behind the voices"),
]
NEVER = -1e4  # a logit


def export(run: Path, _data: Path) -> dict[str, Any]:
    """Two networks: the one that heard everybody, and one that may be sold, for it heard EmoDB alone."""
    figures: dict[str, Any] = json.loads((run / "figures.json").read_text())
    crossed = [cross_name(learnt, asked) for learnt, asked in CROSS]
    whole = _bundled(
        NAME, run / EVERYBODY, run, "fold", crossed, figures,
        licence="CC BY-NC-SA 4.0", commercial_use=False,
        data=[("RAVDESS speech", "CC BY-NC-SA 4.0", "actors 01-20"), *EMODB_AND_BABBLE],
    )  # fmt: skip
    alone = _bundled(
        EMODB_NAME, run / cross_name("emodb", "ravdess"), run, "emodb fold", crossed[1:], {},
        licence="CC BY 4.0", commercial_use=True, data=EMODB_AND_BABBLE, cannot_emit=(Emotion.SURPRISE,),
    )  # fmt: skip
    return {NAME: whole, EMODB_NAME: alone}


def _bundled(
    name: str, weights: Path, run: Path, fold: str, crossed: Sequence[str], figures: dict[str, Any],
    *, licence: str, commercial_use: bool, data: list[tuple[str, str, str]], cannot_emit: tuple[Emotion, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    network = VoiceCnn()
    network.load_state_dict(torch.load(weights / "best.pt", weights_only=True))
    target = BUNDLED / f"{name}.onnx"
    write_onnx(network, next(tries()), {"emotion": {0: "row"}, "embedding": {0: "row"}}, target)
    figures["export_max_abs_difference"] = worst_difference(network, target, tries())
    logits, truth = _held_out(run, [f"{fold} {number + 1}" for number in range(len(FOLDS))])
    logits[:, [NUMBER[emotion] for emotion in cannot_emit]] = NEVER
    temperature = fit_temperature(logits, truth)
    figures["all folds together"] = measure(logits / temperature, truth)
    for part in crossed:
        logits, truth = _held_out(run, [part])
        logits[:, SURPRISE] = NEVER  # EmoDB knows none
        found = measure(logits / temperature, truth)
        figures[f"{part}, six classes"] = {figure: found[figure] for figure in ("n", "uar", "nll")}
    write_card(
        target, slot="voice",
        architecture="four convolutions over 64 log-mel bands, attentive mean and deviation; 0.3 M parameters",
        licence=licence, commercial_use=commercial_use, data=data, figures=figures,
        limits="Acted speech of a handful of fixed sentences: across corpora little of it transfers, hence its small "
        "weight in the fusion.",
        command="undertone train voice --data DATA && undertone export voice --data DATA", made=f"run {run.name}",
        # Emotions were drawn equally often, so the network favours none.
        calibration=Calibration(temperature=temperature, cannot_emit=cannot_emit),
    )  # fmt: skip
    return figures


def _held_out(run: Path, parts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """What networks said of the speakers that they had never heard, and what it was."""
    logits, truth = [], []
    for part in parts:
        with np.load(run / part / "held_out.npz") as found:
            logits.append(found["logits"])
            truth.append(found["truth"])
    return np.concatenate(logits), np.concatenate(truth)


def tries() -> Iterator[Inputs]:
    """Several batches and lengths, some of them all masked."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, frames = (2, 1, 7)[number % 3], int(draw.integers(40, 301))
        mask = np.arange(frames) < draw.integers(0 if number % 8 == 7 else 8, frames + 1, (batch, 1))
        yield {"mels": draw.normal(size=(batch, frames, BANDS)).astype(np.float32), "mask": mask}

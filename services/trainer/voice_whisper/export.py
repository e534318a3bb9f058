"""Exports the trained heads to the bundle: weights, calibration on the folds, and cards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.trainer.bundle import write_card
from services.trainer.voice.fold_metrics import calibrate
from services.trainer.voice.train import ALL_DATA, CROSS, FOLDS, cross_name
from services.trainer.voice_whisper.train import HEAD
from shared.domain.emotion import Emotion
from shared.engines.weights.model_cards import BUNDLED

NAME, EMODB_NAME = "voice_whisper", "voice_whisper_emodb"
EMODB = ("EmoDB", "CC0-1.0", "speakers 03, 08-14")


def export(run: Path, _data: Path) -> dict[str, Any]:
    """Exports two heads: one trained on all data, and one for commercial use, trained on EmoDB alone."""
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text())
    crossed = [cross_name(learnt, tested) for learnt, tested in CROSS]
    whole = _bundled(
        NAME, run / ALL_DATA, run, "fold", crossed, metrics,
        licence="CC BY-NC-SA 4.0", commercial_use=False,
        data=[("RAVDESS speech", "CC BY-NC-SA 4.0", "actors 01-20"), EMODB],
    )  # fmt: skip
    alone = _bundled(
        EMODB_NAME, run / cross_name("emodb", "ravdess"), run, "emodb fold", crossed[1:], {},
        licence="CC0-1.0", commercial_use=True, data=[EMODB], cannot_emit=(Emotion.SURPRISE,),
    )  # fmt: skip
    return {NAME: whole, EMODB_NAME: alone}


def _bundled(
    name: str, weights: Path, run: Path, fold: str, crossed: Sequence[str], metrics: dict[str, Any],
    *, licence: str, commercial_use: bool, data: list[tuple[str, str, str]], cannot_emit: tuple[Emotion, ...] = (),
) -> dict[str, Any]:  # fmt: skip
    target = BUNDLED / f"{name}.npz"
    shutil.copyfile(weights / HEAD, target)
    folds = [f"{fold} {number + 1}" for number in range(len(FOLDS))]
    measured, calibration = calibrate(run, folds, crossed, cannot_emit, weights)
    metrics |= measured
    write_card(
        target, slot="voice",
        architecture="a linear head on mean and deviation over time of the convolutions and the first four layers of "
        "the encoder of Whisper base (MIT, not bundled), less the mean of the speaker's utterances",
        licence=licence, commercial_use=commercial_use, data=data, metrics=metrics,
        limits="Trained on acted speech with few fixed sentences. Needs faster-whisper:base. How well it reads "
        "spontaneous speech and other languages than English and German was not measured.",
        command="undertone train voice-whisper --data DATA && undertone export voice-whisper --data DATA",
        made=f"run {run.name}", calibration=calibration,
    )  # fmt: skip
    return metrics

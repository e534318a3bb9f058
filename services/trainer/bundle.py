"""Calibrates a trained network and writes its model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from services.trainer.metrics import softmax
from shared.domain.emotion import EMOTIONS, Modality
from shared.engines.weights.model_cards import BUNDLED, Card, DataFile, DataUse
from shared.ports.engines import Calibration


def write_card(
    file: Path,
    *,
    slot: str,
    architecture: str,
    licence: str,
    commercial_use: bool,
    data: Sequence[tuple[str, str, str]],  # name, licence, split
    metrics: dict[str, Any],
    limits: str,
    command: str,
    made: str,
    calibration: Calibration | None = None,
    vocabulary: str | None = None,  # path relative to the folder of cards
    name: str | None = None,  # of the network, if it differs from the file name
    engines: Mapping[Modality, str] | None = None,
    path: Path | None = None,  # output path of the card, if not in the bundle
) -> Card:
    card = Card(
        name=name or file.stem,
        slot=slot,
        file=file.name,
        sha256=_sha256(file),
        vocabulary=DataFile(file=vocabulary, sha256=_sha256(file.parent / vocabulary)) if vocabulary else None,
        architecture=architecture,
        licence=licence,
        commercial_use=commercial_use,
        data=tuple(DataUse(name=name, licence=terms, split=split) for name, terms, split in data),
        labels=tuple(EMOTIONS) if calibration else (),
        metrics=metrics,
        limits=limits,
        calibration=calibration or Calibration(),
        engines=dict(engines or {}),
        command=command,
        made=made,
    )
    (path or BUNDLED / f"{card.name}.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n")
    return card


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fit_temperature(
    logits: np.ndarray, truth: np.ndarray, log_prior: np.ndarray | float = 0.0, weight: np.ndarray | None = None
) -> float:
    """Fits one temperature by likelihood on every other row; keeps it only if it improves the remaining rows.

    Class-balanced logits are combined with the prior of their data; `weight` is the weight of each row.
    """
    counts = np.ones(len(truth)) if weight is None else weight

    def likelihood_loss(temperature: float, first: int) -> float:
        scores = softmax(logits / temperature + log_prior)
        losses = -np.log(scores[np.arange(len(scores)), truth] + 1e-12)
        return float(np.average(losses[first::2], weights=counts[first::2]))

    best = minimize_scalar(likelihood_loss, bounds=(0.3, 5.0), args=(0,), method="bounded")
    temperature = round(float(best.x), 4)
    return temperature if likelihood_loss(temperature, 1) < likelihood_loss(1.0, 1) else 1.0

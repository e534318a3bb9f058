"""How a trained network becomes a bundled one: exported, held against torch, quantised, and given its card."""

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
from shared.engines.model_cards import BUNDLED, Card, DataFile, DataUse
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
    vocabulary: str | None = None,  # its place, as seen from the folder of cards
    name: str | None = None,  # of the network, where it is not that of its file
    engines: Mapping[Modality, str] | None = None,
    beside: Path | None = None,  # where the card is written, if not into the bundle
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
    (beside or BUNDLED / f"{card.name}.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n")
    return card


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def fit_temperature(
    logits: np.ndarray, truth: np.ndarray, log_prior: np.ndarray | float = 0.0, weight: np.ndarray | None = None
) -> float:
    """One scalar by likelihood on every other row, kept only if the rows between them agree.

    Logits that favour no class are read with the prior of their data; the weight says how much each row counts.
    """
    counts = np.ones(len(truth)) if weight is None else weight

    def surprise(temperature: float, first: int) -> float:
        scores = softmax(logits / temperature + log_prior)
        told = -np.log(scores[np.arange(len(scores)), truth] + 1e-12)
        return float(np.average(told[first::2], weights=counts[first::2]))

    best = minimize_scalar(surprise, bounds=(0.3, 5.0), args=(0,), method="bounded")
    temperature = round(float(best.x), 4)
    return temperature if surprise(temperature, 1) < surprise(1.0, 1) else 1.0

"""Exports a bundled network to ONNX and compares the export with torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from services.trainer.export import TOLERANCE, write_graph

Inputs = Mapping[str, np.ndarray]  # by input name, in the order of forward's arguments


def write_onnx(network: nn.Module, example: Inputs, outputs: Mapping[str, dict[int, str]], path: Path) -> None:
    """`outputs` are names with their dynamic axes; the first two axes of every input are dynamic."""
    axes = {name: {0: "row", 1: "step"} for name, value in example.items() if value.ndim > 1} | dict(outputs)
    if all(value.ndim == 4 for value in example.values()):  # images: their sides are fixed
        axes |= {name: {0: "row"} for name in example}
    tensors = {name: torch.from_numpy(value) for name, value in example.items()}
    write_graph(network, tensors, list(outputs), axes, path)


def worst_difference(network: nn.Module, path: Path, samples: Iterable[Inputs]) -> float:
    """The largest difference of any output; an export that differs by more than 1e-4 is rejected."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for inputs in samples:
        with torch.no_grad():
            ours = network(*(torch.from_numpy(value) for value in inputs.values()))
        for one, two in zip(ours, session.run(None, dict(inputs)), strict=True):
            worst = max(worst, float(np.abs(one.numpy() - two).max()))
    if worst > TOLERANCE:
        raise SystemExit(f"The export differs from torch by {worst}; at most {TOLERANCE} is allowed.")
    return worst

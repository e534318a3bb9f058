"""Random inputs for a network: any lengths, any availability, reproducible by seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch

from services.trainer.networks.contract import ROW, Axis, Input, NetworkSpec
from services.trainer.networks.masking import align
from shared.domain.emotion import Modality

# All combinations of at least one available modality.
PATTERNS: tuple[frozenset[Modality], ...] = tuple(
    frozenset(chosen) for size in (3, 2, 1) for chosen in combinations(Modality, size)
)


def example(
    spec: NetworkSpec, config: Any, batch: int, lengths: Sequence[int] | None = None, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Random inputs whose rows cycle through the lengths; without lengths every axis has its typical length."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for tensor in spec.inputs(config):
        shape = [batch if axis is ROW else _steps(axis, lengths) for axis in tensor.axes]
        if tensor.kind == "values":
            made[tensor.name] = torch.randn(shape, generator=generator)
        elif tensor.kind == "ids":
            made[tensor.name] = torch.randint(tensor.below, shape, generator=generator)
        else:
            made[tensor.name] = _mask(tensor, shape, lengths)
    return made


def restrict(inputs: Mapping[str, torch.Tensor], patterns: Sequence[Collection[Modality]]) -> dict[str, torch.Tensor]:
    """The same inputs with only some modalities unmasked; rows cycle through the patterns."""
    made = dict(inputs)
    for name, values in inputs.items():
        if name.endswith("_mask"):
            allowed = [name.removesuffix("_mask") in patterns[row % len(patterns)] for row in range(len(values))]
            made[name] = values & align(torch.tensor(allowed), values)
    return made


def _steps(axis: Axis | int, lengths: Sequence[int] | None) -> int:
    if isinstance(axis, int):
        return axis
    # An empty input is one masked step: the decoder never produces a tensor without steps.
    return axis.usual if lengths is None else max(1, *lengths)


def _mask(tensor: Input, shape: Sequence[int], lengths: Sequence[int] | None) -> torch.Tensor:
    mask = torch.ones(shape, dtype=torch.bool)
    if lengths is None:
        return mask
    length = torch.tensor([lengths[row % len(lengths)] for row in range(shape[0])])
    for at, axis in enumerate(tensor.axes[1:], start=1):
        if isinstance(axis, Axis):
            steps = torch.arange(shape[at]).view([-1 if here == at else 1 for here in range(len(shape))])
            mask &= steps < align(length, mask)
    return mask & align(length > 0, mask)

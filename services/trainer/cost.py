"""Measures the cost of a network: floating-point operations counted by torch, and wall time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from torch.utils.flop_counter import FlopCounterMode


def flops(module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> int:
    """Counts the floating-point operations of matrix products and convolutions in one call; the rest is negligible.

    A multiplication and the addition after it count as two.
    """
    module.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(**inputs)
    return int(counter.get_total_flops())


def seconds_per_call(call: Callable[[], object], *, budget: float = 1.0, at_least: int = 3) -> float:
    """The median of several calls, after one warm-up call that allocates."""
    call()
    taken: list[float] = []
    while sum(taken) < budget or len(taken) < at_least:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)

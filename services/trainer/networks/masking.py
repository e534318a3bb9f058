"""Mask operations that exclude absent values from sums, softmaxes and batch statistics."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

# Minus infinity would make a fully masked row NaN.
NEVER = -1e4


def align(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Appends axes of size one to the mask until it has as many axes as the values."""
    for _ in range(values.dim() - mask.dim()):
        mask = mask.unsqueeze(-1)
    return mask


def zero_masked(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Zero wherever the mask is false, even where the value is not a number."""
    return values.masked_fill(~align(mask, values), 0.0)


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """A softmax over the unmasked scores; a fully masked row is all zeros."""
    # The second fill matters for fully masked rows only: without it they would be uniform.
    return torch.softmax(scores.masked_fill(~mask, NEVER), dim).masked_fill(~mask, 0.0)


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the second axis: (row, step, width) and (row, step) give (row, width)."""
    count = mask.sum(1, keepdim=True).clamp(min=1).to(values.dtype)
    return zero_masked(values, mask).sum(1) / count


def masked_mean_deviation(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation over the second axis, side by side: (row, 2 * width)."""
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean.unsqueeze(1)).square(), mask)
    # The gradient of the square root is infinite at zero, which is the variance of a single step.
    return torch.cat([mean, (variance + 1e-6).sqrt()], -1)


def present(mask: torch.Tensor, row_axes: int = 1) -> torch.Tensor:
    """Whether a row has any value of a modality."""
    while mask.dim() > row_axes:
        mask = mask.any(-1)
    return mask


def modality_dropout(
    masks: Mapping[str, torch.Tensor],
    probability: float,
    *,
    row_axes: int = 1,
    generator: torch.Generator | None = None,
) -> dict[str, torch.Tensor]:
    """Drops each modality of each row with a probability, but keeps at least one available modality per row."""
    available = torch.stack([present(mask, row_axes) for mask in masks.values()])  # (modality, row…)
    draws = torch.rand(available.shape, generator=generator).to(available.device)
    kept = available & (draws >= probability)
    # If all are dropped, the available modality with the highest draw is kept.
    highest = draws.masked_fill(~available, -1.0).argmax(0)
    restored = functional.one_hot(highest, len(masks)).movedim(-1, 0).bool() & available & ~kept.any(0)
    kept = kept | restored
    return {name: mask & align(kept[at], mask) for at, (name, mask) in enumerate(masks.items())}


class MaskedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation with statistics of active sites only; inactive sites stay zero."""

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Values are (row, channel, site…); the mask is a float that broadcasts against them, with one channel."""
        if not self.training:
            scaled = functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
            return scaled * mask
        axes = [0, *range(2, values.dim())]
        active = mask.expand(values.shape[0], 1, *values.shape[2:])
        count = active.sum()
        shape = [1, -1, *[1] * (values.dim() - 2)]
        mean = (values * active).sum(axes) / count.clamp(min=1)
        centred = (values - mean.view(shape)) * active
        variance = centred.square().sum(axes) / count.clamp(min=1)
        self._update_running_stats(mean.detach(), variance.detach(), count.detach())
        scaled = centred * ((variance + self.eps).rsqrt() * self.weight).view(shape)
        return (scaled + self.bias.view(shape)) * mask

    def _update_running_stats(self, mean: torch.Tensor, variance: torch.Tensor, count: torch.Tensor) -> None:
        # A batch without active sites does not change the statistics.
        step = self.momentum * (count > 0).to(mean.dtype)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean += step * (mean - self.running_mean)
        self.running_var += step * (unbiased - self.running_var)
        self.num_batches_tracked += 1

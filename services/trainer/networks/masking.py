"""Masks keep what is absent out of every number: sums, softmaxes, batch statistics."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

# Minus infinity would turn a row in which everything is masked into NaN.
NEVER = -1e4


def align(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The mask with trailing axes of one until it has as many as the values."""
    for _ in range(values.dim() - mask.dim()):
        mask = mask.unsqueeze(-1)
    return mask


def zero_masked(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Zero wherever the mask is false, even where the value is not a number."""
    return values.masked_fill(~align(mask, values), 0.0)


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """A softmax over what the mask allows; a row with nothing allowed is all zeros."""
    # The second fill matters in such a row only: without it the weights would be uniform over masked values.
    return torch.softmax(scores.masked_fill(~mask, NEVER), dim).masked_fill(~mask, 0.0)


def masked_mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the second axis: (row, step, width) and (row, step) give (row, width)."""
    count = mask.sum(1, keepdim=True).clamp(min=1).to(values.dtype)
    return zero_masked(values, mask).sum(1) / count


def masked_mean_deviation(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation over the second axis, side by side: (row, 2 * width)."""
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean.unsqueeze(1)).square(), mask)
    # The square root has no finite slope at zero, where a single step puts it.
    return torch.cat([mean, (variance + 1e-6).sqrt()], -1)


def present(mask: torch.Tensor, row_axes: int = 1) -> torch.Tensor:
    """Which rows have anything at all of a modality."""
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
    """Drop each modality of each row with a probability, but never the last one that a row has."""
    there = torch.stack([present(mask, row_axes) for mask in masks.values()])  # (modality, row…)
    draws = torch.rand(there.shape, generator=generator).to(there.device)
    kept = there & (draws >= probability)
    # The luckiest of those present stays wherever all were dropped.
    luckiest = draws.masked_fill(~there, -1.0).argmax(0)
    rescued = functional.one_hot(luckiest, len(masks)).movedim(-1, 0).bool() & there & ~kept.any(0)
    kept = kept | rescued
    return {name: mask & align(kept[at], mask) for at, (name, mask) in enumerate(masks.items())}


class MaskedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation whose statistics come from active sites only, and whose shift never revives the others."""

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
        # A batch without a single active site has nothing to say about the statistics.
        step = self.momentum * (count > 0).to(mean.dtype)
        unbiased = variance * count / (count - 1).clamp(min=1)
        self.running_mean += step * (mean - self.running_mean)
        self.running_var += step * (unbiased - self.running_var)
        self.num_batches_tracked += 1

"""Sparse selection: attention over sites or steps, a top-mass mask, and a gate that passes gradients."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.layers import DoubleConv
from services.trainer.networks.masking import masked_softmax

# Weights this close count as equal: sites without features differ only in the last bit, which depends on the runtime.
# The selection remains discontinuous: for about one random input in a thousand the runtimes choose differently.
EQUAL = 1e-5


def top_mass(weights: torch.Tensor, active: torch.Tensor, mass: float) -> torch.Tensor:
    """The mask of the fewest active positions whose weights reach the mass, at least one; ties stay together."""
    ranked = weights.sort(-1, descending=True).values
    before = ranked.cumsum(-1) - ranked
    # A position is kept while the weights before it have not reached the mass; no weight is as large as two.
    least = ranked.masked_fill(before >= mass, 2.0).amin(-1, keepdim=True)
    return (weights >= least * (1 - EQUAL)) & active


def gate(weights: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Each kept position's share of the kept weight, one on average, and zero elsewhere.

    The selection has no gradient: the attention weights are trained only through this factor.
    """
    kept = weights * keep
    return kept / kept.sum(-1, keepdim=True).clamp(min=1e-9) * keep.sum(-1, keepdim=True)


def entropy(weights: torch.Tensor) -> torch.Tensor:
    """The entropy of the attention; without a penalty on it the attention stays uniform."""
    return -(weights * (weights + 1e-9).log()).sum(-1)


class SiteAttention(nn.Module):
    """Scores the sites of a map with attention from the text."""

    def __init__(self, channels: int, text_width: int, hidden: int, temperature: float) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, hidden, 1)
        self.ask = nn.Linear(text_width, hidden, bias=False)
        self.weigh = nn.Conv2d(hidden, 1, 1, bias=False)
        self.temperature = temperature

    def forward(self, maps: torch.Tensor, text: torch.Tensor) -> torch.Tensor:  # (step, channel, y, x), (step, width)
        states = torch.tanh(self.look(maps) + self.ask(text)[:, :, None, None])
        return self.weigh(states).flatten(1) / self.temperature  # (step, site)


class SparseStage(nn.Module):
    """Computes attention, keeps the selected sites, convolves over them and halves the grid.

    This is the dense form of a sparse layer: features are not negative and inactive sites are zero, because the mask
    follows every normalisation. It saves no operations; pooling reactivates most neighbours anyway.
    """

    def __init__(self, inputs: int, outputs: int, text_width: int, mass: float, temperature: float) -> None:
        super().__init__()
        self.mass = mass
        self.attention = SiteAttention(inputs, text_width, outputs // 2, temperature)
        self.convolve = DoubleConv(inputs, outputs)

    def forward(
        self, maps: torch.Tensor, active: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The smaller maps and mask, and for every step the entropy and the share of active sites that were kept."""
        there = active.flatten(1) > 0
        weights = masked_softmax(self.attention(maps, text), there)
        keep = top_mass(weights, there, self.mass)
        kept = keep.reshape(active.shape).to(maps.dtype)
        maps = self.convolve(maps * gate(weights, keep).reshape(active.shape), kept)
        share = keep.sum(-1) / there.sum(-1).clamp(min=1)
        return functional.max_pool2d(maps, 2), functional.max_pool2d(kept, 2), entropy(weights), share

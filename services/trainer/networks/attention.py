"""Attention with masked keys, and the transformer layers built on it."""

from __future__ import annotations

import torch
from torch import nn

from services.trainer.networks.masking import masked_softmax


class Attention(nn.Module):
    """Multi-head attention; a row whose keys are all masked gets zeros before the output layer."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.query = nn.Linear(width, width)
        # A key bias adds the same number to every score of a query and cancels in the softmax.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:  # (row, query, width), twice (row, step, width), (row, step) -> (row, query, width)
        queries, keys, values = (
            self._split(self.query(query)),
            self._split(self.key(key)),
            self._split(self.value(value)),
        )
        scores = queries @ keys.transpose(-1, -2) * (self.width // self.heads) ** -0.5
        weights = self.dropout(masked_softmax(scores, mask[:, None, None, :]))
        joined = (weights @ values).transpose(1, 2)
        return self.out(joined.reshape(query.shape[0], query.shape[1], self.width))

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        parts = values.view(values.shape[0], values.shape[1], self.heads, self.width // self.heads)
        return parts.transpose(1, 2)  # (row, head, step, part)


class FeedForward(nn.Sequential):
    """Two linear layers with an activation between them, and dropout after each."""

    def __init__(self, width: int, hidden: int, dropout: float, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__(
            nn.Linear(width, hidden), activation(), nn.Dropout(dropout), nn.Linear(hidden, width), nn.Dropout(dropout)
        )


class EncoderLayer(nn.Module):
    """The transformer encoder layer of 2017: attention and a feed-forward part, each with a residual and a norm."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feed_forward = FeedForward(width, hidden, dropout)
        self.after_attention, self.after_feed_forward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        values = self.after_attention(values + self.dropout(self.attention(values, values, values, mask)))
        return self.after_feed_forward(values + self.feed_forward(values))


class Encoder(nn.Module):
    """A stack of encoder layers with one mask."""

    def __init__(self, layers: int, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, hidden, dropout) for _ in range(layers))

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            values = layer(values, mask)
        return values


def step_numbers(mask: torch.Tensor) -> torch.Tensor:
    """The number of every step of a (row, step) mask, as one row: (1, step)."""
    return torch.arange(mask.shape[1], device=mask.device).unsqueeze(0)


def sinusoids(step: torch.Tensor, width: int) -> torch.Tensor:
    """The sinusoidal position encoding: (row, step) gives (row, step, width)."""
    rates = torch.exp(torch.arange(width // 2, device=step.device) * (-2.0 / width) * 9.210340371976184)  # ln 10,000
    angles = step.unsqueeze(-1).to(torch.float32) * rates
    return torch.cat([angles.sin(), angles.cos()], -1)

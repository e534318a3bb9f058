"""Layers shared by several networks: masked convolutions, heads, an embedding for absent modalities."""

from __future__ import annotations

import torch
from torch import nn

from services.trainer.networks.contract import EMOTION_COUNT, ROW, SENTIMENT_COUNT, UTTERANCE, Input
from services.trainer.networks.masking import MaskedBatchNorm, align


class ConvBlock(nn.Module):
    """Convolution, normalisation and activation over active sites; inactive sites stay zero."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, axes: int = 2, activation: type[nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        kind = nn.Conv2d if axes == 2 else nn.Conv1d
        # No bias: the normalisation would remove it.
        self.conv = kind(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = MaskedBatchNorm(outputs)
        # Both activations in use, ReLU and ELU, map zero to zero.
        self.activation = activation()

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(self.conv(values), mask))


class DoubleConv(nn.Module):
    """Two 3 x 3 blocks with one mask, the `VGG c` of the end-to-end networks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(inputs, outputs, 3), ConvBlock(outputs, outputs, 3)

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(values, mask), mask)


class AbsenceEmbedding(nn.Module):
    """A learned vector that replaces an unavailable feature, so that absence differs from zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.where(align(mask, values), values, self.vector)


class DualHead(nn.Module):
    """Predicts emotion and sentiment from one embedding, each with its own small head."""

    def __init__(self, width: int, hidden: int | None, dropout: float) -> None:
        super().__init__()
        self.emotion = head(width, hidden, EMOTION_COUNT, dropout)
        self.sentiment = head(width, hidden, SENTIMENT_COUNT, dropout)

    def forward(self, embedding: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.emotion(embedding), self.sentiment(embedding)


def head(width: int, hidden: int | None, classes: int, dropout: float) -> nn.Module:
    """A linear head, or one with a hidden layer."""
    if hidden is None:
        return nn.Linear(width, classes)
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes))


def dialogue_inputs(widths: dict[str, int]) -> tuple[Input, ...]:
    """A feature and a mask of each modality per utterance."""
    return tuple(
        tensor
        for name, width in widths.items()
        for tensor in (Input(name, (ROW, UTTERANCE, width)), Input(f"{name}_mask", (ROW, UTTERANCE), "mask"))
    )

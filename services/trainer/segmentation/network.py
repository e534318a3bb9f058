"""The segmentation network: convolutions that halve the time resolution, then attention and local convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shared.engines.features.powerset import CLASSES
from shared.engines.features.segmentation_mel import BANDS

WIDTHS = (16, 32, 48)
INNER, HEADS, LAYERS = 112, 4, 4
REACH = 15  # kernel size of the local convolution, in decisions


class SegmentationNet(nn.Module):
    """Maps log-mels (window, frame, band) to logits (window, decision, class); any number of frames."""

    def __init__(self, drop: float = 0.1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width, stride in zip(WIDTHS, ((1, 2), (2, 2), (1, 2)), strict=True):
            layers += [nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()]
            before = width
        self.hearing = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.dense = nn.Linear(before * BANDS // 8, INNER)
        self.drop = nn.Dropout(drop)
        self.layers = nn.Sequential(*(Layer(drop) for _ in range(LAYERS)))
        self.classes = nn.Linear(INNER, len(CLASSES))

    def forward(self, mels: Tensor) -> tuple[Tensor]:
        features = self.hearing(
            mels[:, None].contiguous(memory_format=torch.channels_last)
        )  # (window, channel, decision, height)
        moments = self.drop(self.dense(features.permute(0, 2, 1, 3).flatten(2)))
        return (self.classes(self.layers(moments)),)


class Layer(nn.Module):
    """Local convolution, attention and a feed-forward part, each with a residual."""

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.attention, self.nearby = Attention(), LocalConvolution()
        self.thinking = nn.Sequential(
            nn.Linear(INNER, 2 * INNER), nn.SiLU(), nn.Dropout(drop), nn.Linear(2 * INNER, INNER)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(INNER) for _ in range(4))
        self.drop = nn.Dropout(drop)

    def forward(self, moments: Tensor) -> Tensor:
        moments = moments + self.drop(self.nearby(self.norms[0](moments)))
        moments = moments + self.drop(self.attention(self.norms[1](moments)))
        moments = moments + self.drop(self.thinking(self.norms[2](moments)))
        normed: Tensor = self.norms[3](moments)
        return normed


class Attention(nn.Module):
    """Attention without positions: the speaker's identity does not depend on time; the convolution covers locality."""

    def __init__(self) -> None:
        super().__init__()
        self.asking, self.answering = nn.Linear(INNER, 3 * INNER), nn.Linear(INNER, INNER)

    def forward(self, moments: Tensor) -> Tensor:
        rows, steps, _ = moments.shape
        parts = self.asking(moments).reshape(rows, steps, 3, HEADS, INNER // HEADS).permute(2, 0, 3, 1, 4)
        found = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])  # (window, head, decision, …)
        output: Tensor = self.answering(found.transpose(1, 2).reshape(rows, steps, INNER))
        return output


class LocalConvolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(INNER, 2 * INNER), nn.Linear(INNER, INNER)
        self.along = nn.Conv1d(INNER, INNER, REACH, padding=REACH // 2, groups=INNER)
        self.norm = nn.LayerNorm(INNER)

    def forward(self, moments: Tensor) -> Tensor:
        gated = nn.functional.glu(self.widen(moments), dim=-1)
        along = self.along(gated.transpose(1, 2)).transpose(1, 2)
        near: Tensor = self.narrow(nn.functional.silu(self.norm(along)))
        return near

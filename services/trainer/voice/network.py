"""The voice network: four 2D convolutions over log-mels, three dilated convolutions over time, attentive pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128)  # layers at full resolution cost the most
INNER, ATTENTION = 160, 64
REACHES = (1, 2, 4)  # dilation of each layer's five taps, in steps of 80 ms; 2.3 s in all
SHRINKS = 8  # frames per step after pooling


class VoiceCnn(nn.Module):
    """Maps log-mels (clip, frame, band) and their mask (clip, frame) to emotion logits and an embedding."""

    def __init__(self, drop_channel: float = 0.1, drop: float = 0.4) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for number, width in enumerate(WIDTHS):
            layers += [  # pooled first, which reduces the cost of the rest to a quarter
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.MaxPool2d((2, 2) if number < len(WIDTHS) - 1 else (1, 2)),
                nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout2d(drop_channel),
            ]  # fmt: skip
            before = width
        self.seeing = nn.Sequential(*layers).to(memory_format=torch.channels_last)
        self.dense = nn.Linear(before * 4, INNER)
        self.melody = nn.ModuleList(DilatedConvBlock(apart) for apart in REACHES)
        self.attention = nn.Sequential(nn.Linear(INNER, ATTENTION), nn.Tanh(), nn.Linear(ATTENTION, 1))
        self.drop = nn.Dropout(drop)
        self.emotion = nn.Linear(2 * INNER, 7)

    def forward(self, mels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        features = self.seeing(mels[:, None])  # (clip, channel, moment, height)
        moments = torch.relu(self.dense(features.permute(0, 2, 1, 3).flatten(2)))
        # A step is valid if its first frame is: shorter clips of a batch are padded at their end.
        valid = mask[:, ::SHRINKS][:, : moments.shape[1]].to(moments.dtype)
        for layer in self.melody:
            moments = layer(moments, valid)
        weight = torch.softmax(self.attention(moments)[:, :, 0] + (1 - valid) * -1e4, dim=1)[:, :, None]
        mean = (weight * moments).sum(1)
        deviation = ((weight * (moments - mean[:, None]) ** 2).sum(1) + 1e-5).sqrt()
        embedding = torch.cat([mean, deviation], dim=1)
        return self.emotion(self.drop(embedding)), embedding


class DilatedConvBlock(nn.Module):
    """A dilated convolution over time with a residual."""

    def __init__(self, apart: int, drop: float = 0.2) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(INNER)
        self.along = nn.Conv1d(INNER, INNER, 5, padding=2 * apart, dilation=apart, groups=4)
        self.mix, self.drop = nn.Linear(INNER, INNER), nn.Dropout(drop)

    def forward(self, moments: Tensor, valid: Tensor) -> Tensor:
        normed = self.norm(moments) * valid[:, :, None]
        near = self.along(normed.transpose(1, 2)).transpose(1, 2)
        added: Tensor = moments + self.drop(self.mix(torch.relu(near)))
        return added

"""ResNet-18 over the frames of a clip, with the tensor names of the public ImageNet weights so that those load."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.masking import MaskedBatchNorm


class Shortcut(nn.Sequential):
    """Projects the residual of a block to the block's output size."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 1, stride, bias=False), MaskedBatchNorm(outputs))

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        convolution, norm = self
        return norm(convolution(values), mask)


class Block(nn.Module):
    """Two 3 x 3 convolutions with a residual connection."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = MaskedBatchNorm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = MaskedBatchNorm(outputs)
        self.downsample = Shortcut(inputs, outputs, stride) if stride > 1 or inputs != outputs else None

    def forward(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        residual = values if self.downsample is None else self.downsample(values, mask)
        inside = functional.relu(self.bn1(self.conv1(values), mask))
        return functional.relu(self.bn2(self.conv2(inside), mask) + residual)


class ResNet(nn.Module):
    """Encodes frames as one vector each, without the classifier of the public network."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, padding=3, bias=False)
        self.bn1 = MaskedBatchNorm(widths[0])
        before = widths[0]
        for number, width in enumerate(widths, start=1):
            stride = 1 if number == 1 else 2
            blocks = nn.ModuleList([Block(before, width, stride), Block(width, width, 1)])
            self.add_module(f"layer{number}", blocks)
            before = width
        self.stages = len(widths)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # (frame, 3, y, x), (frame, 1, 1, 1)
        values = functional.relu(self.bn1(self.conv1(frames), mask))
        values = functional.max_pool2d(values, 3, 2, 1)
        for number in range(1, self.stages + 1):
            for block in self.get_submodule(f"layer{number}"):
                values = block(values, mask)
        return values.mean((2, 3))

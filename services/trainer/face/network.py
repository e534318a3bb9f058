"""A small residual network for grey faces of 48 pixels, with channel attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

SIDE = 48  # pixels
SHIFTS = ((0, 0), (-2, -2), (-2, 2), (2, -2), (2, 2))  # pixels down and to the right
STEM = 16
WIDTHS = (32, 64, 128, 256)  # at 24, 12, 6 and 3 pixels; layers at full resolution cost the most


class Block(nn.Module):
    """A residual block of two convolutions with squeeze-and-excitation."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.seeing = nn.Sequential(
            nn.Conv2d(before, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.squeeze, self.excite = nn.Linear(width, width // 8), nn.Linear(width // 8, width)
        self.skip = nn.Sequential(nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        seen = self.seeing(x)
        gate = self.excite(F.silu(self.squeeze(seen.mean((2, 3))))).sigmoid()
        return F.silu(seen * gate[:, :, None, None] + self.skip(x))


class FaceCnn(nn.Module):
    """Maps faces (face, 1, 48, 48) with mean zero and deviation one to emotion logits and an embedding."""

    def __init__(self, drop: float = 0.3) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, STEM, 3, padding=1, bias=False), nn.BatchNorm2d(STEM), nn.SiLU(), nn.MaxPool2d(2)
        )
        befores = (STEM, *WIDTHS[:-1])
        self.blocks = nn.ModuleList(Block(before, width) for before, width in zip(befores, WIDTHS, strict=True))
        self.drop = nn.Dropout(drop)
        self.emotion = nn.Linear(WIDTHS[-1], 7)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(faces)
        for number, block in enumerate(self.blocks):
            x = block(F.max_pool2d(x, 2) if number else x)
        embedding = x.mean((2, 3))
        return self.emotion(self.drop(embedding)), embedding


class AugmentedFaceCnn(nn.Module):
    """Test-time augmentation: averages the face and four shifted copies, each also mirrored.

    Pooling is not shift-invariant, so a shifted face gives a different estimate.
    """

    def __init__(self, network: FaceCnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        shifted = [faces[:, :, _shifted(down)][:, :, :, _shifted(right)] for down, right in SHIFTS]
        views = torch.cat([view for one in shifted for view in (one, one.flip(3))])
        emotion, embedding = (found.unflatten(0, (2 * len(SHIFTS), -1)).mean(0) for found in self.network(views))
        return emotion, embedding


def _shifted(step: int) -> Tensor:
    """Indices of the rows or columns after a shift; the edge is repeated."""
    return (torch.arange(SIDE) + step).clamp(0, SIDE - 1)

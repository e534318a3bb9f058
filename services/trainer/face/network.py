"""A small residual network for grey faces of 48 pixels, with an attention over its channels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

STEM = 16
WIDTHS = (32, 64, 128, 256)  # at 24, 12, 6 and 3 pixels: what the full picture is seen by is what costs


class Block(nn.Module):
    """Two convolutions, squeezed and excited, added to what went in."""

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
    """Faces (face, 1, 48, 48), mean zero and deviation one, to emotion logits and an embedding."""

    def __init__(self, drop: float = 0.4) -> None:
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


class BothSides(nn.Module):
    """What serves: a face and its mirror image are both looked at, and believed alike."""

    def __init__(self, network: FaceCnn) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        (one, seen), (other, mirrored) = self.network(faces), self.network(faces.flip(3))
        return (one + other) / 2, (seen + mirrored) / 2

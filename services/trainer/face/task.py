"""The face training task: FER2013 with geometric, photometric, blur and occlusion augmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.datasets.faces import read_fer2013
from services.trainer.metrics import classification_metrics
from shared.engines.features.face_image import scaled

BATCH, SMOOTHING = 128, 0.1
DEGREES, ZOOM, SHIFT = 15, 0.15, 0.1
BLURRED, COVERED, MIXED = 0.1, 0.15, 0.2  # chances


@dataclass
class FaceTask:
    images: np.ndarray  # (face, 48, 48) uint8
    labels: np.ndarray  # (face,)
    dev_images: np.ndarray
    dev_labels: np.ndarray
    seed: int

    @classmethod
    def read(cls, data: Path, seed: int) -> FaceTask:
        images, labels = read_fer2013(data / "face" / "fer2013_train.npz")
        dev_images, dev_labels = read_fer2013(data / "face" / "fer2013_dev.npz")
        dev = {image.tobytes() for image in dev_images}
        # 280 dev images are also in train, and some train images are blank.
        kept = np.array([image.tobytes() not in dev and image.std() > 1 for image in images])
        return cls(images[kept], labels[kept], dev_images, dev_labels, seed)

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))
        return [order[start : start + BATCH] for start in range(0, len(order) - BATCH + 1, BATCH)]

    def load(self, batch: np.ndarray, _epoch: int) -> dict[str, Tensor]:
        labels = F.one_hot(torch.from_numpy(self.labels[batch]).long(), 7).float()
        faces = augmented(torch.from_numpy(self.images[batch]).float()[:, None] / 255)
        faces = (faces - faces.mean((1, 2, 3), keepdim=True)) / (faces.std((1, 2, 3), keepdim=True) + 1e-3)
        if torch.rand(()) < MIXED:
            part = float(np.random.beta(0.2, 0.2))
            other = torch.randperm(len(batch))
            faces, labels = part * faces + (1 - part) * faces[other], part * labels + (1 - part) * labels[other]
        return {"faces": faces.contiguous(memory_format=torch.channels_last), "labels": labels}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(network(batch["faces"])[0].float(), batch["labels"], label_smoothing=SMOOTHING)

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        found = classification_metrics(face_logits(network, self.dev_images), self.dev_labels)
        return found["accuracy"], {name: found[name] for name in ("accuracy", "macro_f1", "ece", "nll")}


def face_logits(network: nn.Module, images: np.ndarray) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    with torch.no_grad():
        rows = [
            network(torch.from_numpy(scaled(images[start : start + 256])).to(device))[0].float().cpu().numpy()
            for start in range(0, len(images), 256)
        ]
    return np.concatenate(rows)


def augmented(faces: Tensor) -> Tensor:  # (face, 1, 48, 48), 0 to 1
    faces = _moved(faces)
    count = len(faces)
    gamma = torch.empty(count, 1, 1, 1).uniform_(0.7, 1.4)
    light, contrast = (torch.empty(count, 1, 1, 1).uniform_(-0.3, 0.3) for _ in range(2))
    middle = faces.mean((2, 3), keepdim=True)
    faces = ((faces.clamp(0, 1) ** gamma - middle) * (1 + contrast) + middle + light).clamp(0, 1)
    coarse = torch.rand(count) < BLURRED
    if coarse.any():
        side = int(torch.randint(20, 41, ()))
        small = F.interpolate(faces[coarse], size=side, mode="area")
        faces[coarse] = F.interpolate(small, size=faces.shape[-1], mode="bilinear", align_corners=False)
    for row in torch.nonzero(torch.rand(count) < COVERED).flatten().tolist():
        height, width = torch.randint(6, 19, (2,)).tolist()
        top, left = int(torch.randint(0, 48 - height, ())), int(torch.randint(0, 48 - width, ()))
        faces[row, :, top : top + height, left : left + width] = torch.rand(())
    return faces


def _moved(faces: Tensor) -> Tensor:
    """Rotates, scales, shifts and mirrors the faces."""
    count = len(faces)
    angle = torch.empty(count).uniform_(-DEGREES, DEGREES) * math.pi / 180
    zoom = torch.empty(count).uniform_(1 - ZOOM, 1 + ZOOM)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    shift = torch.empty(count, 2).uniform_(-2 * SHIFT, 2 * SHIFT)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    grid = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], 1
    )
    positions = F.affine_grid(grid, list(faces.shape), align_corners=False)
    return F.grid_sample(faces, positions, padding_mode="reflection", align_corners=False)

"""The segmentation training task: who speaks when in ten seconds of a conversation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from services.trainer.segmentation.powerset import errors, powerset_loss, rates_of
from services.trainer.segmentation.window_cache import Windows
from shared.engines.features.segmentation_mel import BANDS

BATCH = 32
MASKED_BANDS = 10


@dataclass
class SegmentationTask:
    train: Windows
    held_out: Windows
    seed: int

    def batches(self, epoch: int) -> Sequence[list[int]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.train.labels))
        whole = max(BATCH, len(order) // BATCH * BATCH)
        return [sorted(order[first : first + BATCH].tolist()) for first in range(0, whole, BATCH)]

    def load(self, batch: list[int], _epoch: int) -> dict[str, Tensor]:
        mels = self.train.mels[batch].astype(np.float32)
        for mel in mels:  # seeded by the loop
            width = random.randint(0, MASKED_BANDS)
            band = random.randint(0, BANDS - width)
            mel[:, band : band + width] = 0
        return {"mels": torch.from_numpy(mels), "labels": torch.from_numpy(self.train.labels[batch].astype(np.int64))}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return powerset_loss(network(batch["mels"])[0], batch["labels"])

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        metrics = evaluate_windows(network, self.held_out)
        return -metrics["local_der"], metrics


def evaluate_windows(network: nn.Module, windows: Windows) -> dict[str, float]:
    network.eval()
    device = next(network.parameters()).device
    counted: Counter[str] = Counter()
    with torch.no_grad():
        for first in range(0, len(windows.labels), BATCH):
            mels = torch.from_numpy(windows.mels[first : first + BATCH].astype(np.float32)).to(device)
            logits = network(mels)[0].float().cpu().numpy()
            for one, labels in zip(logits, windows.labels[first : first + BATCH], strict=True):
                counted.update(errors(one, labels))
    return rates_of(counted)

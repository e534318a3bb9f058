"""The smallest configuration of each network in which every part is still there."""

from __future__ import annotations

from typing import Any

import torch

from services.trainer.networks.contract import Network, load
from services.trainer.networks.late_fusion import LateFusionConfig
from services.trainer.networks.m2fnet import M2fnetConfig

# Work this small is over before a second thread has woken up, and threads that wait take turns from other programs.
torch.set_num_threads(1)

TINY: dict[str, Any] = {
    "late-fusion": LateFusionConfig(
        text_width=12, face_width=10, bands=8, frames=(8, 16), width=16, fused=32, hidden=16,
        branch_dropout=0.0, fused_dropout=0.0,
    ),
    "m2fnet": M2fnetConfig(
        text_width=12, voice_width=10, face_width=9, width=32, heads=2, feed_forward=32, fusions=2, dropout=0.0
    ),
}  # fmt: skip


def build(name: str) -> Network:
    return load(name).build(TINY[name])

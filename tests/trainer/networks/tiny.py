"""The smallest configuration of each network in which every part is still there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from services.trainer.networks.clip_encoder import ClipConfig
from services.trainer.networks.contract import Network, load
from services.trainer.networks.late_fusion import LateFusionConfig
from services.trainer.networks.m2fnet import M2fnetConfig
from services.trainer.networks.masking import MaskedBatchNorm
from services.trainer.networks.mme2e_sparse import SparseConfig

CLIP: dict[str, Any] = {
    "text_width": 12, "side": 16, "bands": 16, "frames": 16, "stem": 4, "stages": (6, 8, 8), "hidden": 24,
    "width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "dropout": 0.0,
}  # fmt: skip

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
    "mme2e": ClipConfig(**CLIP),
    "mme2e-sparse": SparseConfig(**CLIP),
}  # fmt: skip


def build(name: str) -> Network:
    return load(name).build(TINY[name])


def acquaint(network: Network, inputs: Mapping[str, torch.Tensor]) -> None:
    """Give every normalisation the statistics of these inputs, as training does.

    Fresh ones, zero and one, would hide a normalisation that is left out, and let activations fade to nothing.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network(**inputs)
    network.eval()

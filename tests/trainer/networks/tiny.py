"""The smallest configuration of each network that still has every part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from services.trainer.networks.av_transformer import AvConfig
from services.trainer.networks.clip_encoder import ClipConfig
from services.trainer.networks.contract import Network, load
from services.trainer.networks.ensemble import EnsembleConfig
from services.trainer.networks.late_fusion import LateFusionConfig
from services.trainer.networks.m2fnet import M2fnetConfig
from services.trainer.networks.masking import MaskedBatchNorm
from services.trainer.networks.mme2e_sparse import SparseConfig
from services.trainer.networks.sdt import SdtConfig

CLIP: dict[str, Any] = {
    "text_width": 12, "side": 8, "bands": 8, "frames": 8, "stem": 4, "stages": (6, 8), "hidden": 24,
    "width": 16, "layers": 1, "heads": 2, "feed_forward": 24, "dropout": 0.0,
}  # fmt: skip

# One thread: for networks this small more threads add only overhead, and waiting threads slow down other programs.
torch.set_num_threads(1)

PRIOR = (0.1, 0.05, 0.05, 0.2, 0.4, 0.1, 0.1)

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
    "av-transformer": AvConfig(
        side=32, widths=(4, 6, 8, 8), states=3, state_width=8, width=16, layers=1, feed_forward=16, dropout=0.0
    ),
    "ensemble": EnsembleConfig(
        bands=8, frames=8, channels=(4, 6), pools=(2, 4), hidden=16, dropout=0.0, voice_prior=PRIOR
    ),
    "sdt": SdtConfig(
        text_width=12, voice_width=10, face_width=9, width=16, heads=2, speakers=4, dropout=0.0, temperature=2.0
    ),
}  # fmt: skip


def build(name: str) -> Network:
    return load(name).build(TINY[name])


def update_statistics(network: Network, inputs: Mapping[str, torch.Tensor]) -> None:
    """Sets the statistics of every normalisation to those of these inputs, as training does.

    The initial statistics, zero and one, would hide a missing normalisation and make activations vanish.
    """
    network.train()
    for module in network.modules():
        if isinstance(module, MaskedBatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        network(**inputs)
    network.eval()

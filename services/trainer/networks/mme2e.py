"""MME2E: convolutions and a transformer each for faces and audio; the logits of three modalities are added.

Unlike the published network it uses log-mels, encodes the order of the steps, and has a softmax over seven emotions
and a sentiment head instead of six binary outputs.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.attention import step_numbers
from services.trainer.networks.clip_encoder import (
    CHANNELS,
    ClipConfig,
    ClipTransformer,
    EvidenceSum,
    Stem,
    Tokens,
    clip_inputs,
    flat,
)
from services.trainer.networks.contract import Network, NetworkSpec, Outputs
from services.trainer.networks.layers import DoubleConv
from services.trainer.networks.masking import present, zero_masked


class ClipEncoder(nn.Module):
    """Encodes a clip of faces or of audio as one vector."""

    def __init__(self, modality: str, config: ClipConfig) -> None:
        super().__init__()
        self.width = config.width
        self.stem = Stem(CHANNELS[modality], config.stem)
        widths = [config.stem, *config.stages]
        self.stages = nn.ModuleList(DoubleConv(*pair) for pair in pairwise(widths))
        self.tokens = Tokens(widths[-1] * config.sites[modality], config)
        self.transformer = ClipTransformer(config)

    def forward(self, steps: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        maps, active = flat(steps, mask)
        maps = self.stem(maps, active)
        for stage in self.stages:
            maps = functional.max_pool2d(stage(maps, active), 2)
        tokens = self.tokens(maps).reshape(mask.shape[0], mask.shape[1], self.width)
        return self.transformer(tokens, mask, step_numbers(mask))


class Mme2e(Network):
    """The dense end-to-end network, and the baseline for the sparse one."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.config = config
        self.voice, self.face = ClipEncoder("voice", config), ClipEncoder("face", config)
        self.sum = EvidenceSum({"text": config.text_width, "voice": config.width, "face": config.width})

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> Outputs:
        embeddings = {
            "text": zero_masked(text, text_mask),
            "voice": self.voice(voice, voice_mask),
            "face": self.face(face, face_mask),
        }
        available = {"text": text_mask, "voice": present(voice_mask), "face": present(face_mask)}
        emotion, sentiment, embedding = self.sum(embeddings, available)
        return Outputs(emotion, sentiment, embedding)


SPEC = NetworkSpec(name="mme2e", kind="utterance", config=ClipConfig(), build=Mme2e, inputs=clip_inputs)

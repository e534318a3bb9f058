"""Late fusion of frozen backbones: three parallel projections, one hidden layer, two heads.

The public design froze its audio convolutions at random values, used power mels, and replaced missing inputs by
zeros. Here the audio branch is trained on log-mels, and absence is a learned vector. BERT's pooler and the video
network are not part of the graph: they are frozen, so their outputs are cached features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.contract import ROW, Axis, Input, Network, NetworkSpec, Outputs
from services.trainer.networks.layers import AbsenceEmbedding, ConvBlock, DualHead
from services.trainer.networks.masking import MaskedBatchNorm, masked_mean, present, zero_masked


@dataclass(frozen=True, slots=True, kw_only=True)
class LateFusionConfig:
    text_width: int = 768  # BERT's pooler output
    face_width: int = 512  # features of a video network before its head
    bands: int = 64
    frames: tuple[int, int] = (64, 128)  # channels of the audio convolutions
    width: int = 128
    fused: int = 256
    hidden: int = 64
    branch_dropout: float = 0.2
    fused_dropout: float = 0.3


class AudioBranch(nn.Module):
    """Two convolutions over log-mel frames, averaged over the valid frames."""

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__()
        first, second = config.frames
        self.first = ConvBlock(config.bands, first, 3, axes=1)
        self.second = ConvBlock(first, second, 3, axes=1)
        self.project = projection(second, config.width, config.branch_dropout)

    def forward(self, mel: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # (row, band, frame), (row, frame)
        active = mask.unsqueeze(1).to(mel.dtype)
        # A partial window at the end counts: otherwise a single frame would leave nothing to average.
        halved = functional.max_pool1d(active, 2, ceil_mode=True)
        states = functional.max_pool1d(self.first(mel.masked_fill(~mask.unsqueeze(1), 0.0), active), 2, ceil_mode=True)
        states = self.second(states, halved)
        return self.project(masked_mean(states.transpose(1, 2), halved.squeeze(1) > 0))


class LateFusion(Network):
    """Concatenates the features of all modalities and predicts emotion and sentiment from them."""

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.text = nn.Linear(config.text_width, config.width)
        self.voice = AudioBranch(config)
        self.face = projection(config.face_width, config.width, config.branch_dropout)
        self.absent = nn.ModuleDict({name: AbsenceEmbedding(config.width) for name in ("text", "voice", "face")})
        self.fuse = nn.Linear(
            3 * config.width, config.fused, bias=False
        )  # a bias would be removed by the normalisation
        self.norm = MaskedBatchNorm(config.fused)
        self.dropout = nn.Dropout(config.fused_dropout)
        self.heads = DualHead(config.fused, config.hidden, config.branch_dropout)

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> Outputs:
        has_voice = present(voice_mask)
        text_part = self.absent["text"](self.text(zero_masked(text, text_mask)), text_mask)
        voice_part = self.absent["voice"](self.voice(voice, voice_mask), has_voice)
        face_part = self.absent["face"](self.face(zero_masked(face, face_mask)), face_mask)
        rows = (text_mask | has_voice | face_mask).unsqueeze(1).to(text_part.dtype)
        fused = functional.relu(self.norm(self.fuse(torch.cat([text_part, voice_part, face_part], -1)), rows))
        emotion, sentiment = self.heads(self.dropout(fused))
        return Outputs(emotion, sentiment, fused)


def projection(inputs: int, outputs: int, dropout: float) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout))


def inputs(config: LateFusionConfig) -> tuple[Input, ...]:
    frame = Axis("frame", usual=300)
    return (
        Input("text", (ROW, config.text_width)),
        Input("text_mask", (ROW,), "mask"),
        Input("voice", (ROW, config.bands, frame)),
        Input("voice_mask", (ROW, frame), "mask"),
        Input("face", (ROW, config.face_width)),
        Input("face_mask", (ROW,), "mask"),
    )


SPEC = NetworkSpec(name="late-fusion", kind="utterance", config=LateFusionConfig(), build=LateFusion, inputs=inputs)

"""Late fusion of frozen backbones: three projections side by side, one hidden layer, two heads.

The public design it follows froze its audio convolutions at random values, fed power mels, and gave zeros for what was
missing. Here the audio branch learns, expects log mels, and absence is a learned vector. BERT's pooler and the video
network stay outside: they are frozen, so their outputs are cached features.
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
    text_width: int = 768  # BERT's pooler
    face_width: int = 512  # a video network before its head
    bands: int = 64
    frames: tuple[int, int] = (64, 128)  # channels of the audio convolutions
    width: int = 128
    fused: int = 256
    hidden: int = 64
    branch_dropout: float = 0.2
    fused_dropout: float = 0.3


class AudioBranch(nn.Module):
    """Two convolutions over log-mel frames, averaged over the frames that are there."""

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__()
        first, second = config.frames
        self.first = ConvBlock(config.bands, first, 3, axes=1)
        self.second = ConvBlock(first, second, 3, axes=1)
        self.project = projection(second, config.width, config.branch_dropout)

    def forward(self, mel: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # (row, band, frame), (row, frame)
        active = mask.unsqueeze(1).to(mel.dtype)
        # Half a window at the end counts: otherwise one frame alone would leave nothing to average.
        halved = functional.max_pool1d(active, 2, ceil_mode=True)
        heard = functional.max_pool1d(self.first(mel.masked_fill(~mask.unsqueeze(1), 0.0), active), 2, ceil_mode=True)
        heard = self.second(heard, halved)
        return self.project(masked_mean(heard.transpose(1, 2), halved.squeeze(1) > 0))


class LateFusion(Network):
    """Concatenates what each sense says of an utterance and reads both heads from it."""

    def __init__(self, config: LateFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.text = nn.Linear(config.text_width, config.width)
        self.voice = AudioBranch(config)
        self.face = projection(config.face_width, config.width, config.branch_dropout)
        self.absent = nn.ModuleDict({name: AbsenceEmbedding(config.width) for name in ("text", "voice", "face")})
        self.fuse = nn.Linear(3 * config.width, config.fused, bias=False)  # the normalisation subtracts a bias again
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
        heard = present(voice_mask)
        said = self.absent["text"](self.text(zero_masked(text, text_mask)), text_mask)
        sound = self.absent["voice"](self.voice(voice, voice_mask), heard)
        seen = self.absent["face"](self.face(zero_masked(face, face_mask)), face_mask)
        rows = (text_mask | heard | face_mask).unsqueeze(1).to(said.dtype)
        fused = functional.relu(self.norm(self.fuse(torch.cat([said, sound, seen], -1)), rows))
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

"""Voice and face without text: a residual network and a transformer over faces, layers of wav2vec 2.0 over audio.

The public design averaged padding into its means and used a head of wav2vec that was trained for quantisation. Here the
inputs are the hidden states of all its layers, weighted by a learned softmax, and means exclude padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from services.trainer.networks.attention import Encoder, sinusoids, step_numbers
from services.trainer.networks.clip_encoder import flat
from services.trainer.networks.contract import EMOTION_COUNT, ROW, Axis, Input, Network, NetworkSpec, Targets
from services.trainer.networks.layers import AbsenceEmbedding, DualHead
from services.trainer.networks.losses import cross_entropy, only_where
from services.trainer.networks.masking import masked_mean, masked_mean_deviation, present, zero_masked
from services.trainer.networks.residual import ResNet


@dataclass(frozen=True, slots=True, kw_only=True)
class AvConfig:
    side: int = 112  # of a face, in pixels, normalised as for ImageNet
    widths: tuple[int, ...] = (64, 128, 256, 512)
    states: int = 13  # of wav2vec 2.0 base: the output of its convolutions and twelve layers
    state_width: int = 768
    width: int = 128
    layers: int = 3
    heads: int = 2
    feed_forward: int = 512
    dropout: float = 0.1
    branch_weight: float = 0.3


class AvOutputs(NamedTuple):
    """The contract's outputs, and the logits of each branch."""

    emotion_logits: torch.Tensor  # (row, 7)
    sentiment_logits: torch.Tensor  # (row, 3)
    embedding: torch.Tensor  # (row, width)
    branch_logits: torch.Tensor  # (row, modality, 7): voice, face


class FaceBranch(nn.Module):
    """A residual network over evenly spaced faces, then a transformer over their embeddings."""

    def __init__(self, config: AvConfig) -> None:
        super().__init__()
        self.width = config.width
        self.frames = ResNet(config.widths)
        self.narrow = nn.Linear(config.widths[-1], config.width)
        self.encoder = Encoder(config.layers, config.width, config.heads, config.feed_forward, config.dropout)

    def forward(self, faces: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        embedded = self.frames(*flat(faces, mask)).reshape(mask.shape[0], mask.shape[1], -1)
        tokens = self.narrow(embedded) + sinusoids(step_numbers(mask), self.width)
        return masked_mean(self.encoder(tokens, mask), mask)


class VoiceBranch(nn.Module):
    """A learned weighted sum of a speech network's layers, then its mean and deviation over time."""

    def __init__(self, config: AvConfig) -> None:
        super().__init__()
        self.mixture = nn.Parameter(torch.zeros(config.states))
        self.narrow = nn.Linear(2 * config.state_width, config.width)

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # (row, step, layer, width)
        shares = torch.softmax(self.mixture, 0)
        mixed = (zero_masked(states, mask) * shares[:, None]).sum(2)
        return self.narrow(masked_mean_deviation(mixed, mask))


class AvTransformer(Network):
    """Both branches in parallel; each also has its own loss."""

    def __init__(self, config: AvConfig) -> None:
        super().__init__()
        self.config = config
        self.voice, self.face = VoiceBranch(config), FaceBranch(config)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(config.width) for name in ("voice", "face")})
        self.absent = nn.ModuleDict({name: AbsenceEmbedding(config.width) for name in ("voice", "face")})
        self.alone = nn.ModuleDict({name: nn.Linear(config.width, EMOTION_COUNT) for name in ("voice", "face")})
        self.dropout = nn.Dropout(config.dropout)
        self.heads = DualHead(2 * config.width, None, config.dropout)

    def forward(
        self, voice: torch.Tensor, voice_mask: torch.Tensor, face: torch.Tensor, face_mask: torch.Tensor
    ) -> AvOutputs:
        available = {"voice": present(voice_mask), "face": present(face_mask)}
        branches = {"voice": self.voice(voice, voice_mask), "face": self.face(face, face_mask)}
        parts = {name: self.absent[name](self.norms[name](found), available[name]) for name, found in branches.items()}
        embedding = torch.cat(list(parts.values()), -1)
        emotion, sentiment = self.heads(self.dropout(embedding))
        alone = torch.stack([zero_masked(self.alone[name](part), available[name]) for name, part in parts.items()], 1)
        return AvOutputs(emotion, sentiment, embedding, alone)

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        loss = super().loss(outputs, targets, inputs)
        for at, name in enumerate(("voice", "face")):
            labels = only_where(present(inputs[f"{name}_mask"]), targets.emotion)
            loss = loss + self.config.branch_weight * cross_entropy(outputs.branch_logits[:, at], labels)
        return loss


def inputs(config: AvConfig) -> tuple[Input, ...]:
    sound, frame = Axis("voice_step", usual=200), Axis("face_step", usual=16)
    return (
        Input("voice", (ROW, sound, config.states, config.state_width)),
        Input("voice_mask", (ROW, sound), "mask"),
        Input("face", (ROW, frame, 3, config.side, config.side)),
        Input("face_mask", (ROW, frame), "mask"),
    )


SPEC = NetworkSpec(
    name="av-transformer",
    kind="utterance",
    config=AvConfig(),
    build=AvTransformer,
    inputs=inputs,
    outputs=AvOutputs._fields,
)

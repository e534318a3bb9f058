"""Logistic stacking of three networks' evidence; the voice network, convolutions and an LSTM, is trained here.

The features of a modality are its evidence beyond its prior, log p - log prior, and a bit for its availability. This
is the learned alternative to the fixed log-linear fusion; the logits of text and face come from other networks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.clip_encoder import flat
from services.trainer.networks.contract import EMOTION_COUNT, ROW, Axis, Input, Network, NetworkSpec, Targets
from services.trainer.networks.layers import ConvBlock, DualHead
from services.trainer.networks.losses import cross_entropy, only_where
from services.trainer.networks.masking import present, zero_masked

UNIFORM = (1 / EMOTION_COUNT,) * EMOTION_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleConfig:
    bands: int = 128
    frames: int = 128  # of a window
    channels: tuple[int, ...] = (64, 64, 128, 128)
    pools: tuple[int, ...] = (2, 4, 4, 4)
    hidden: int = 256
    dropout: float = 0.2
    # The effective priors of the networks: the averages of their calibrated outputs.
    text_prior: tuple[float, ...] = UNIFORM
    voice_prior: tuple[float, ...] = UNIFORM
    face_prior: tuple[float, ...] = UNIFORM
    clip: float = 6.0  # limits the evidence, so that one confident modality cannot dominate the others
    penalty: float = 1.0  # L2 of the stacking weights over all samples, as in logistic regression
    samples: int = 10_000  # in training, over which the penalty is averaged


class EnsembleOutputs(NamedTuple):
    """The contract's outputs, and the logits of the voice network."""

    emotion_logits: torch.Tensor  # (row, 7)
    sentiment_logits: torch.Tensor  # (row, 3)
    embedding: torch.Tensor  # (row, 24): the evidence and the availability bits
    voice_logits: torch.Tensor  # (row, 7)


class SoundNetwork(nn.Module):
    """Applies the same convolutions to every window of log-mels, then an LSTM over the windows."""

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        self.pools = config.pools
        self.blocks = nn.ModuleList(
            ConvBlock(before, after, 3, activation=nn.ELU) for before, after in pairwise([1, *config.channels])
        )
        self.dropout = nn.Dropout(config.dropout)
        shrink = math.prod(config.pools)
        features = config.channels[-1] * (config.bands // shrink) * (config.frames // shrink)
        self.lstm = nn.LSTM(features, config.hidden, batch_first=True)
        self.out = nn.Linear(config.hidden, EMOTION_COUNT)

    def forward(self, windows: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        values, active = flat(windows.unsqueeze(2), mask)
        for block, pool in zip(self.blocks, self.pools, strict=True):
            values = self.dropout(functional.max_pool2d(block(values, active), pool))
        steps = values.flatten(1).reshape(mask.shape[0], mask.shape[1], self.lstm.input_size)
        states, _ = self.lstm(steps)
        # The state after the last valid window.
        remaining = mask.long().flip(1).cumsum(1).flip(1)
        last = (mask & (remaining == 1)).to(states.dtype)
        return self.out((states * last.unsqueeze(-1)).sum(1))


class Ensemble(Network):
    """Predicts emotion and sentiment from the evidence of all modalities with one linear layer each."""

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        self.config = config
        self.voice = SoundNetwork(config)
        priors = torch.tensor([config.text_prior, config.voice_prior, config.face_prior])
        self.register_buffer("log_priors", priors.log())
        self.stack = DualHead(3 * EMOTION_COUNT + 3, None, 0.0)

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> EnsembleOutputs:
        there = torch.stack([text_mask, present(voice_mask), face_mask], 1)  # (row, modality)
        voice_logits = self.voice(voice, voice_mask)
        logits = torch.stack([zero_masked(text, text_mask), voice_logits, zero_masked(face, face_mask)], 1)
        evidence = torch.log_softmax(logits, -1) - self.log_priors
        evidence = zero_masked(evidence.clamp(-self.config.clip, self.config.clip), there)
        features = torch.cat([evidence.flatten(1), there.to(evidence.dtype)], 1)
        emotion, sentiment = self.stack(features)
        return EnsembleOutputs(emotion, sentiment, features, zero_masked(voice_logits, there[:, 1]))

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        labels = only_where(present(inputs["voice_mask"]), targets.emotion)
        weights = self.stack.emotion.weight.square().sum() + self.stack.sentiment.weight.square().sum()
        factor = self.config.penalty / (2 * self.config.samples)
        return super().loss(outputs, targets, inputs) + cross_entropy(outputs.voice_logits, labels) + factor * weights


def inputs(config: EnsembleConfig) -> tuple[Input, ...]:
    window = Axis("window", usual=5)
    return (
        Input("text", (ROW, EMOTION_COUNT)),
        Input("text_mask", (ROW,), "mask"),
        Input("voice", (ROW, window, config.bands, config.frames)),
        Input("voice_mask", (ROW, window), "mask"),
        Input("face", (ROW, EMOTION_COUNT)),
        Input("face_mask", (ROW,), "mask"),
    )


SPEC = NetworkSpec(
    name="ensemble",
    kind="utterance",
    config=EnsembleConfig(),
    build=Ensemble,
    inputs=inputs,
    outputs=EnsembleOutputs._fields,
)

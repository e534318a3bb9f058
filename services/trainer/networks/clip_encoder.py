"""Layers shared by the dense and sparse end-to-end networks: convolutions per frame, a transformer over frames.

A step is a face every half second or a slice of 0.4 seconds of audio; both use the same layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.attention import Encoder, sinusoids
from services.trainer.networks.contract import ROW, Axis, Input
from services.trainer.networks.layers import ConvBlock, DoubleConv, DualHead
from services.trainer.networks.masking import zero_masked

# The text encoder is not part of this graph: its input is the vector of the first token. The text encoder is served,
# tokenised and quantised separately, and the trainer can still backpropagate into it through that input.
FACE_STEP, VOICE_STEP = Axis("face_step", usual=8), Axis("voice_step", usual=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipConfig:
    text_width: int = 768
    side: int = 48  # of a face, in pixels
    bands: int = 128  # of a log-mel slice
    frames: int = 32  # of a slice
    stem: int = 64
    stages: tuple[int, ...] = (128, 256, 512)
    hidden: int = 1024
    width: int = 64
    layers: int = 4
    heads: int = 4
    feed_forward: int = 2048
    dropout: float = 0.1

    @property
    def shrink(self) -> int:
        """The downsampling factor from the input to the last grid: the stem and every stage halve it."""
        return int(2 ** (1 + len(self.stages)))

    @property
    def sites(self) -> dict[str, int]:
        """The number of sites in the last grid of each modality."""
        return {
            "voice": (self.bands // self.shrink) * (self.frames // self.shrink),
            "face": (self.side // self.shrink) ** 2,
        }


CHANNELS = {"voice": 1, "face": 3}


class Stem(nn.Module):
    """The layers before the first selection of the sparse network: a wide convolution and two double ones."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.open = ConvBlock(channels, width, 5)
        self.first, self.second = DoubleConv(width, width), DoubleConv(width, width)

    def forward(
        self, steps: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:  # (step, channel, y, x), (step, 1, 1, 1)
        maps = functional.max_pool2d(self.open(steps, mask), 2)
        return self.second(self.first(maps, mask), mask)


class Tokens(nn.Sequential):
    """Projects the last grid of a step to one narrow vector."""

    def __init__(self, inputs: int, config: ClipConfig) -> None:
        super().__init__(
            nn.Flatten(), nn.Linear(inputs, config.hidden), nn.ReLU(), nn.Linear(config.hidden, config.width)
        )


class ClipTransformer(nn.Module):
    """Aggregates the tokens of a clip in a learned first token."""

    def __init__(self, config: ClipConfig) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(config.width) * 0.02)
        self.encoder = Encoder(config.layers, config.width, config.heads, config.feed_forward, config.dropout)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        positioned = tokens + sinusoids(place, tokens.shape[-1])
        first = self.start.expand(tokens.shape[0], 1, -1)
        # The first token is never masked, so that every row has a key.
        whole = torch.cat([torch.ones_like(mask[:, :1]), mask], 1)
        return self.encoder(torch.cat([first, positioned], 1), whole)[:, 0]


class EvidenceSum(nn.Module):
    """Adds the logits of the available modalities, with one head and one learned weight per modality."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: DualHead(width, None, 0.0) for name, width in widths.items()})
        self.emotion_weights = nn.Parameter(torch.ones(len(widths)))
        self.sentiment_weights = nn.Parameter(torch.ones(len(widths)))

    def forward(
        self, embeddings: Mapping[str, torch.Tensor], available: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        emotion, sentiment = zip(*(head(embeddings[name]) for name, head in self.heads.items()), strict=True)
        there = torch.stack([available[name] for name in self.heads], 1)  # (row, modality)
        shown = [zero_masked(embeddings[name], available[name]) for name in self.heads]
        return (
            _weighted(torch.stack(emotion, 1), there, self.emotion_weights),
            _weighted(torch.stack(sentiment, 1), there, self.sentiment_weights),
            torch.cat(shown, -1),
        )


def _weighted(logits: torch.Tensor, there: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (zero_masked(logits, there) * weights[:, None]).sum(1)


def flat(steps: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The steps of all rows along one axis, zero where masked, and their mask as a factor: (row * step, …)."""
    values = zero_masked(steps, mask).flatten(0, 1)
    return values, mask.flatten().to(values.dtype)[:, None, None, None]


def clip_inputs(config: ClipConfig) -> tuple[Input, ...]:
    return (
        Input("text", (ROW, config.text_width)),
        Input("text_mask", (ROW,), "mask"),
        Input("voice", (ROW, VOICE_STEP, CHANNELS["voice"], config.bands, config.frames)),
        Input("voice_mask", (ROW, VOICE_STEP), "mask"),
        Input("face", (ROW, FACE_STEP, CHANNELS["face"], config.side, config.side)),
        Input("face_mask", (ROW, FACE_STEP), "mask"),
    )

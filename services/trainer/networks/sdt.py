"""SDT: attention between all modalities of a dialogue, a head for each modality, and self-distillation.

The heads give the evidence per modality that is shown to the user; the fused output is their teacher in training. An
absent modality is masked as a key, in the gate and in the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from services.trainer.networks.attention import Attention, FeedForward, sinusoids, step_numbers
from services.trainer.networks.contract import (
    EMOTION_COUNT,
    ROW,
    SENTIMENT_COUNT,
    UTTERANCE,
    Input,
    Network,
    NetworkSpec,
    Targets,
)
from services.trainer.networks.layers import dialogue_inputs
from services.trainer.networks.losses import cross_entropy, self_distillation
from services.trainer.networks.masking import masked_softmax, zero_masked
from shared.engines.features.network_inputs import SPEAKERS

MODALITIES = ("text", "voice", "face")


@dataclass(frozen=True, slots=True, kw_only=True)
class SdtConfig:
    text_width: int = 1024
    voice_width: int = 300
    face_width: int = 342
    width: int = 256
    heads: int = 8
    speakers: int = SPEAKERS
    dropout: float = 0.5
    # The release uses a frozen identity as the gate for MELD; here the gate is a setting, not derived from weights.
    identity_gates: bool = False
    temperature: float = 8.0  # as published for MELD


class SdtOutputs(NamedTuple):
    """The contract's outputs, and the logits of each modality's head."""

    emotion_logits: torch.Tensor  # (row, utterance, 7)
    sentiment_logits: torch.Tensor  # (row, utterance, 3)
    embedding: torch.Tensor  # (row, utterance, width)
    head_logits: torch.Tensor  # (row, utterance, modality, 7)


class CrossLayer(nn.Module):
    """A gated transformer layer from one modality to another, or to itself."""

    def __init__(self, config: SdtConfig) -> None:
        super().__init__()
        self.attention = Attention(config.width, config.heads, config.dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config.width, config.width, config.dropout, nn.GELU)
        identity = config.identity_gates
        self.gate = nn.Identity() if identity else nn.Linear(config.width, config.width, bias=False)

    def forward(self, target: torch.Tensor, source: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = target + self.dropout(self.attention(target, source, source, mask))
        states = states + self.feed_forward(self.norm(states))
        return states * torch.sigmoid(self.gate(states))


class Sdt(Network):
    """Processes all utterances of a dialogue together, with nine paths between three modalities."""

    def __init__(self, config: SdtConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.text_width, config.voice_width, config.face_width)
        self.raise_ = nn.ModuleDict(
            {name: nn.Linear(width, config.width) for name, width in zip(MODALITIES, widths, strict=True)}
        )
        self.speaker = nn.Embedding(config.speakers, config.width)
        self.paths = nn.ModuleDict(
            {f"{source}_to_{target}": CrossLayer(config) for target in MODALITIES for source in MODALITIES}
        )
        self.join = nn.ModuleDict({name: nn.Linear(3 * config.width, config.width) for name in MODALITIES})
        # Shared by the modalities, so that a bias would cancel in their softmax.
        self.weigh = nn.Linear(config.width, config.width, bias=False)
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.width, EMOTION_COUNT))
                for name in MODALITIES
            }
        )
        self.emotion = nn.Linear(config.width, EMOTION_COUNT)
        self.sentiment = nn.Linear(config.width, SENTIMENT_COUNT)

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
        speakers: torch.Tensor,
    ) -> SdtOutputs:
        masks = dict(zip(MODALITIES, (text_mask, voice_mask, face_mask), strict=True))
        position = sinusoids(step_numbers(text_mask), self.config.width) + self.speaker(speakers)
        modalities = {
            name: self.raise_[name](zero_masked(values, masks[name])) + position
            for name, values in zip(MODALITIES, (text, voice, face), strict=True)
        }
        streams = torch.stack(
            [self._stream(name, modalities, masks) for name in MODALITIES], 2
        )  # (row, utterance, modality, …)
        there = torch.stack(list(masks.values()), 2)
        shares = masked_softmax(self.weigh(streams), there.unsqueeze(-1), 2)
        fused = (shares * streams).sum(2)
        alone = torch.stack([self.heads[name](streams[:, :, at]) for at, name in enumerate(MODALITIES)], 2)
        return SdtOutputs(self.emotion(fused), self.sentiment(fused), fused, zero_masked(alone, there))

    def _stream(
        self, target: str, modalities: Mapping[str, torch.Tensor], masks: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        paths = [
            self.paths[f"{source}_to_{target}"](modalities[target], modalities[source], masks[source])
            for source in MODALITIES
        ]
        return self.join[target](torch.cat(paths, -1))

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        available = torch.stack([inputs[f"{name}_mask"] for name in MODALITIES], 2)
        distilled = self_distillation(
            outputs.emotion_logits,
            outputs.head_logits,
            available,
            targets.emotion,
            temperature=self.config.temperature,
        )
        return distilled + cross_entropy(outputs.sentiment_logits, targets.sentiment)


def inputs(config: SdtConfig) -> tuple[Input, ...]:
    widths = dict(zip(MODALITIES, (config.text_width, config.voice_width, config.face_width), strict=True))
    return (*dialogue_inputs(widths), Input("speakers", (ROW, UTTERANCE), "ids", below=config.speakers))


SPEC = NetworkSpec(
    name="sdt", kind="dialogue", config=SdtConfig(), build=Sdt, inputs=inputs, outputs=SdtOutputs._fields
)

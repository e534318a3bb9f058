"""M2FNet: encoders over the utterances of a dialogue, then attention from voice and face over the text.

The published layer uses zero keys for a missing modality, which averages the text of the whole dialogue. Here such
keys are masked, and a modality that is absent throughout is replaced by a learned vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from services.trainer.networks.attention import Attention, Encoder, sinusoids, step_numbers
from services.trainer.networks.contract import Input, Network, NetworkSpec, Outputs
from services.trainer.networks.layers import AbsenceEmbedding, DualHead, dialogue_inputs
from services.trainer.networks.masking import zero_masked

# Mean, deviation, maximum and 90th percentile of 17 action units over an utterance.
ACTION_UNIT_STATISTICS = 68


@dataclass(frozen=True, slots=True, kw_only=True)
class M2fnetConfig:
    text_width: int = 768
    voice_width: int = 300
    face: Literal["embedding", "action_units"] = "embedding"
    face_width: int = 600  # of the embedding: whole frame and face side by side
    unit_width: int = 128  # hidden width for statistics of action units before the encoder
    width: int = 256  # the published 768 is too large by a factor of four for MELD's ten thousand utterances
    heads: int = 8
    feed_forward: int = 2048
    encoders: int = 1
    fusions: int = 5
    dropout: float = 0.4

    @property
    def face_inputs(self) -> int:
        return ACTION_UNIT_STATISTICS if self.face == "action_units" else self.face_width


class ModalityEncoder(nn.Module):
    """Encodes one modality over the dialogue, with a residual around each encoder."""

    def __init__(self, inputs: nn.Module, config: M2fnetConfig) -> None:
        super().__init__()
        self.inputs = inputs
        self.absent = AbsenceEmbedding(config.width)
        self.encoders = nn.ModuleList(
            Encoder(1, config.width, config.heads, config.feed_forward, config.dropout) for _ in range(config.encoders)
        )

    def forward(self, values: torch.Tensor, mask: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        values = self.absent(self.inputs(zero_masked(values, mask)), mask) + position
        for encoder in self.encoders:
            values = values + encoder(values, mask)
        # A dialogue without this modality gives only the absence embedding, whatever the position.
        return self.absent(values, mask.any(1, keepdim=True))


class FusionLayer(nn.Module):
    """Re-weights the text with attention queries from the other modalities."""

    def __init__(self, config: M2fnetConfig) -> None:
        super().__init__()
        self.by_voice = Attention(config.width, config.heads, config.dropout)
        self.by_face = Attention(config.width, config.heads, config.dropout)
        self.join = nn.Linear(3 * config.width, config.width)

    def forward(
        self, text: torch.Tensor, modalities: tuple[tuple[Attention, torch.Tensor, torch.Tensor, AbsenceEmbedding], ...]
    ) -> torch.Tensor:
        read = [
            absent(attention(text, other, text, mask), mask.any(1, keepdim=True))
            for attention, other, mask, absent in modalities
        ]
        return functional.relu(self.join(functional.relu(torch.cat([*read, text], -1))))


class M2fnet(Network):
    """Processes all utterances of a dialogue together, each in the context of the others."""

    def __init__(self, config: M2fnetConfig) -> None:
        super().__init__()
        self.config = config
        face: nn.Module = nn.Linear(config.face_inputs, config.width)
        if config.face == "action_units":
            raised = nn.Linear(ACTION_UNIT_STATISTICS, config.unit_width)
            face = nn.Sequential(raised, nn.ReLU(), nn.Linear(config.unit_width, config.width))
        self.text = ModalityEncoder(nn.Linear(config.text_width, config.width), config)
        self.voice = ModalityEncoder(nn.Linear(config.voice_width, config.width), config)
        self.face = ModalityEncoder(face, config)
        self.fusions = nn.ModuleList(FusionLayer(config) for _ in range(config.fusions))
        self.embed = nn.Sequential(nn.Linear(3 * config.width, config.width), nn.ReLU())
        self.dropout = nn.Dropout(config.dropout)
        self.heads = DualHead(config.width, None, config.dropout)

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> Outputs:
        # The paper mentions no positions; without them the order of the utterances would be lost.
        position = sinusoids(step_numbers(text_mask), self.config.width)
        fused = self.text(text, text_mask, position)
        voice_states, face_states = self.voice(voice, voice_mask, position), self.face(face, face_mask, position)
        for layer in self.fusions:
            fused = layer(
                fused,
                (
                    (layer.by_voice, voice_states, voice_mask, self.voice.absent),
                    (layer.by_face, face_states, face_mask, self.face.absent),
                ),
            )
        embedding = self.embed(torch.cat([fused, voice_states, face_states], -1))
        emotion, sentiment = self.heads(self.dropout(embedding))
        return Outputs(emotion, sentiment, embedding)


def inputs(config: M2fnetConfig) -> tuple[Input, ...]:
    widths = {"text": config.text_width, "voice": config.voice_width, "face": config.face_inputs}
    return dialogue_inputs(widths)


SPEC = NetworkSpec(name="m2fnet", kind="dialogue", config=M2fnetConfig(), build=M2fnet, inputs=inputs)

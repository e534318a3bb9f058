"""Sparse MME2E: attention from the text selects faces, audio slices and sites for further computation.

The released network selected through a detached mask, so its attention received no gradient. Here selected values are
weighted by a gate of mean one. Whole steps are dropped after the stem, which saves computation; `sparse_serving` runs
this form as two graphs. Without text the attention query is a learned vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import nn

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
from services.trainer.networks.contract import Network, NetworkSpec, Targets
from services.trainer.networks.layers import AbsenceEmbedding
from services.trainer.networks.masking import masked_mean, masked_softmax, present, zero_masked
from services.trainer.networks.selection import SparseStage, entropy, gate, top_mass


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseConfig(ClipConfig):
    site_mass: float = 0.7
    step_mass: float = 0.7
    temperature: float = 0.5
    entropy_penalty: float = 1e-3


class SparseOutputs(NamedTuple):
    """The contract's outputs, and statistics of the selection."""

    emotion_logits: torch.Tensor  # (row, 7)
    sentiment_logits: torch.Tensor  # (row, 3)
    embedding: torch.Tensor  # (row, width)
    entropy: torch.Tensor  # (row, modality)
    kept_steps: torch.Tensor  # (row, modality): voice, face
    kept_sites: torch.Tensor  # (row, modality)


class SparseClipEncoder(nn.Module):
    """Encodes a clip as one vector in two parts: scores for all steps, then features of the selected steps."""

    def __init__(self, modality: str, config: SparseConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Stem(CHANNELS[modality], config.stem)
        widths = [config.stem, *config.stages]
        self.stages = nn.ModuleList(
            SparseStage(before, after, config.text_width, config.site_mass, config.temperature)
            for before, after in pairwise(widths)
        )
        self.tokens = Tokens(widths[-1] * config.sites[modality], config)
        self.transformer = ClipTransformer(config)

    def score_steps(
        self, steps: torch.Tensor, mask: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The maps of every step after the stem, (row, step, channel, y, x), and the score of each step."""
        maps, active = flat(steps, mask)
        maps = self.stem(maps, active)
        sites = self.stages[0].attention(maps, per_step(text, mask))
        scores = sites.logsumexp(-1).reshape(mask.shape)
        return maps.reshape(mask.shape[0], mask.shape[1], maps.shape[1], maps.shape[2], maps.shape[3]), scores

    def encode_steps(
        self, maps: torch.Tensor, mask: torch.Tensor, gates: torch.Tensor, place: torch.Tensor, text: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The clip's vector from the maps of the selected steps, with the sites' entropy and kept share."""
        maps, there = flat(maps, mask)
        words = per_step(text, mask)
        active = there.expand(-1, 1, maps.shape[2], maps.shape[3])
        entropies, shares = [], []
        for stage in self.stages:
            maps, active, site_entropy, share = stage(maps, active, words)
            entropies.append(site_entropy)
            shares.append(share)
        tokens = self.tokens(maps).reshape(mask.shape[0], mask.shape[1], self.config.width)
        # The gate passes gradients to the selection of steps, as for sites.
        pooled = self.transformer(tokens * gates.unsqueeze(-1), mask, place)
        statistics = torch.stack([torch.stack(entropies).mean(0), torch.stack(shares).mean(0)], -1)
        means = masked_mean(statistics.reshape(mask.shape[0], mask.shape[1], 2), mask)
        return pooled, means[:, 0], means[:, 1]

    def select_steps(self, scores: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The mask of selected steps, their gates, and the entropy of the selection."""
        weights = masked_softmax(scores, mask)
        keep = top_mass(weights, mask, self.config.step_mass)
        return keep, gate(weights, keep), entropy(weights)


class Mme2eSparse(Network):
    """The sparse network in its dense training form: dropped steps and sites are masked, not skipped."""

    def __init__(self, config: SparseConfig) -> None:
        super().__init__()
        self.config = config
        self.absent = AbsenceEmbedding(config.text_width)
        self.voice, self.face = SparseClipEncoder("voice", config), SparseClipEncoder("face", config)
        self.sum = EvidenceSum({"text": config.text_width, "voice": config.width, "face": config.width})

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> SparseOutputs:
        words = self.text_query(text, text_mask)
        pooled, statistics = {}, []
        for name, encoder, steps, mask in (
            ("voice", self.voice, voice, voice_mask),
            ("face", self.face, face, face_mask),
        ):
            maps, scores = encoder.score_steps(steps, mask, words)
            keep, gates, step_entropy = encoder.select_steps(scores, mask)
            pooled[name], site_entropy, sites = encoder.encode_steps(maps, keep, gates, step_numbers(mask), words)
            kept = keep.sum(1) / mask.sum(1).clamp(min=1)
            statistics.append(torch.stack([step_entropy + site_entropy, kept, sites], -1))
        entropies, steps_kept, sites_kept = torch.stack(statistics, 1).unbind(-1)
        available = {"text": text_mask, "voice": present(voice_mask), "face": present(face_mask)}
        emotion, sentiment, embedding = self.sum({"text": zero_masked(text, text_mask), **pooled}, available)
        return SparseOutputs(emotion, sentiment, embedding, entropies, steps_kept, sites_kept)

    def text_query(self, text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The text vectors used as attention queries."""
        return self.absent(zero_masked(text, mask), mask)

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return super().loss(outputs, targets, inputs) + self.config.entropy_penalty * outputs.entropy.mean()


def per_step(text: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Repeats the text vector of a row for each of its steps, along one axis."""
    return text.unsqueeze(1).expand(-1, mask.shape[1], -1).flatten(0, 1)


SPEC = NetworkSpec(
    name="mme2e-sparse",
    kind="utterance",
    config=SparseConfig(),
    build=Mme2eSparse,
    inputs=clip_inputs,
    outputs=SparseOutputs._fields,
    choices=("kept_steps", "kept_sites"),
)

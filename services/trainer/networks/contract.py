"""What every emotion network promises: named tensors with masks in, logits and an embedding out.

A network of utterances has one leading axis, `row`; one of dialogues has two, `row` and `utterance`.
Whatever a mask hides cannot change any output. Steps without any modality are padding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from services.trainer.networks.losses import dual_head
from shared.domain.emotion import EMOTIONS, SENTIMENTS, Modality
from shared.domain.error import InvalidRequest

EMOTION_COUNT, SENTIMENT_COUNT = len(EMOTIONS), len(SENTIMENTS)

# name -> "module:SPEC", imported on demand: listing the networks needs none of them.
REGISTRY: Mapping[str, str] = {
    "late-fusion": "services.trainer.networks.late_fusion:SPEC",
    "m2fnet": "services.trainer.networks.m2fnet:SPEC",
    "mme2e": "services.trainer.networks.mme2e:SPEC",
    "mme2e-sparse": "services.trainer.networks.mme2e_sparse:SPEC",
    "av-transformer": "services.trainer.networks.av_transformer:SPEC",
    "ensemble": "services.trainer.networks.ensemble:SPEC",
    "sdt": "services.trainer.networks.sdt:SPEC",
}


class Outputs(NamedTuple):
    """What every network returns first; some return more behind it, in a tuple of their own."""

    emotion_logits: torch.Tensor  # (row[, utterance], 7)
    sentiment_logits: torch.Tensor  # (row[, utterance], 3)
    embedding: torch.Tensor  # (row[, utterance], width)


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels to learn; `losses.UNLABELLED` where a corpus does not say."""

    emotion: torch.Tensor  # (row[, utterance]) int64
    sentiment: torch.Tensor  # (row[, utterance]) int64


class Network(nn.Module):
    """A module that can be trained through its own loss and exported with its own tensors."""

    config: Any

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """How wrong these outputs are; most networks need no more than their two heads."""
        del inputs
        return dual_head(outputs.emotion_logits, outputs.sentiment_logits, targets.emotion, targets.sentiment)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis whose length may change, and how long it is for an utterance of four seconds or a usual dialogue."""

    name: str
    usual: int = 1


ROW = Axis("row")
UTTERANCE = Axis("utterance", usual=32)


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor that a network takes; the mask of a modality is called `<modality>_mask`."""

    name: str
    axes: tuple[Axis | int, ...]
    kind: Literal["values", "mask", "ids"] = "values"
    below: int = 1  # ids are smaller than this

    @property
    def dynamic(self) -> dict[int, str]:
        return {at: axis.name for at, axis in enumerate(self.axes) if isinstance(axis, Axis)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """All that training, export and benchmarks need to know of a network."""

    name: str
    kind: Literal["utterance", "dialogue"]
    config: Any  # the default one, a frozen dataclass
    build: Callable[[Any], Network]
    inputs: Callable[[Any], tuple[Input, ...]]  # in the order of forward's arguments
    outputs: tuple[str, ...] = Outputs._fields
    choices: tuple[str, ...] = ()  # outputs that tell what was chosen: a step, over which runtimes may differ

    @property
    def row_axes(self) -> int:
        return 1 if self.kind == "utterance" else 2

    @property
    def modalities(self) -> tuple[Modality, ...]:
        masks = {tensor.name for tensor in self.inputs(self.config) if tensor.kind == "mask"}
        return tuple(modality for modality in Modality if f"{modality}_mask" in masks)

    def dynamic_axes(self, config: Any) -> dict[str, dict[int, str]]:
        leading = {0: ROW.name} | ({1: UTTERANCE.name} if self.kind == "dialogue" else {})
        taken = {tensor.name: tensor.dynamic for tensor in self.inputs(config)}
        return taken | dict.fromkeys(self.outputs, leading)


def load(name: str) -> NetworkSpec:
    """The specification of a network, imported now."""
    if name not in REGISTRY:
        raise InvalidRequest(f"There is no network {name}; there are {', '.join(REGISTRY)}.")
    module, _, attribute = REGISTRY[name].partition(":")
    spec: NetworkSpec = getattr(import_module(module), attribute)
    return spec

"""The contract of every emotion network: named tensors with masks in, logits and an embedding out.

A network of utterances has one leading axis, `row`; one of dialogues has two, `row` and `utterance`.
Masked values must not change any output. Steps without any modality are padding.
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

# name -> "module:SPEC", imported on demand: listing the networks imports none of them.
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
    """The first outputs of every network; some networks return more, in their own tuple."""

    emotion_logits: torch.Tensor  # (row[, utterance], 7)
    sentiment_logits: torch.Tensor  # (row[, utterance], 3)
    embedding: torch.Tensor  # (row[, utterance], width)


@dataclass(frozen=True, slots=True)
class Targets:
    """The labels to learn; `losses.UNLABELLED` where a corpus has none."""

    emotion: torch.Tensor  # (row[, utterance]) int64
    sentiment: torch.Tensor  # (row[, utterance]) int64


class Network(nn.Module):
    """A module with its own loss and export configuration."""

    config: Any

    def loss(self, outputs: Any, targets: Targets, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The training loss; most networks use only the losses of the two heads."""
        del inputs
        return dual_head(outputs.emotion_logits, outputs.sentiment_logits, targets.emotion, targets.sentiment)


@dataclass(frozen=True, slots=True)
class Axis:
    """A dynamic axis, with its typical length for an utterance of four seconds or a usual dialogue."""

    name: str
    usual: int = 1


ROW = Axis("row")
UTTERANCE = Axis("utterance", usual=32)


@dataclass(frozen=True, slots=True)
class Input:
    """An input tensor of a network; the mask of a modality is called `<modality>_mask`."""

    name: str
    axes: tuple[Axis | int, ...]
    kind: Literal["values", "mask", "ids"] = "values"
    below: int = 1  # upper bound of ids, exclusive

    @property
    def dynamic(self) -> dict[int, str]:
        return {at: axis.name for at, axis in enumerate(self.axes) if isinstance(axis, Axis)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """The specification of a network for training, export and benchmarks."""

    name: str
    kind: Literal["utterance", "dialogue"]
    config: Any  # the default configuration, a frozen dataclass
    build: Callable[[Any], Network]
    inputs: Callable[[Any], tuple[Input, ...]]  # in the order of forward's arguments
    outputs: tuple[str, ...] = Outputs._fields
    choices: tuple[str, ...] = ()  # outputs of discrete selections, which may differ between runtimes

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
    """Imports and returns the specification of a network."""
    if name not in REGISTRY:
        raise InvalidRequest(f"There is no network {name}; there are {', '.join(REGISTRY)}.")
    module, _, attribute = REGISTRY[name].partition(":")
    spec: NetworkSpec = getattr(import_module(module), attribute)
    return spec

"""Transfer learning: initial weights from another run, and frozen parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from services.trainer.trainable_networks import Initialization
from shared.domain.error import InvalidRequest


def initialize(network: nn.Module, start: Initialization) -> None:
    """Applies the user's options and prints the number of transferred tensors."""
    if start.weights is not None:
        report = start_from(network, start.weights)
        untrained = f"; trained from scratch: {', '.join(report.left)}" if report.left else ""
        text = f"{len(report.taken)} tensors come from {start.weights}{untrained}"
        Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    freeze(network, start.freeze)


@dataclass(frozen=True, slots=True)
class TransferReport:
    """The names of the transferred tensors and of the remaining ones."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


def start_from(network: nn.Module, source: Path) -> TransferReport:
    """Loads every tensor of the same name and shape; the others keep their initial values."""
    path = source / "best.pt" if source.is_dir() else source
    if not path.is_file():
        raise InvalidRequest(f"There are no weights at {str(path)!r}.", hint="Give a run's folder, or its best.pt.")
    kept = torch.load(path, map_location="cpu", weights_only=True)
    kept = kept.get("averaged", kept)  # a checkpoint contains more than the weights
    own = network.state_dict()
    fitting = {name: kept[name] for name, value in own.items() if name in kept and kept[name].shape == value.shape}
    if not fitting:
        raise InvalidRequest(f"No tensor in {str(path)!r} matches a name and shape of this network.")
    network.load_state_dict(own | fitting)
    return TransferReport(tuple(fitting), tuple(name for name in own if name not in fitting))


def freeze(network: nn.Module, patterns: Iterable[str]) -> None:
    """Disables the gradient of parameters whose name, or whose module's name, matches: `voice`, `text.*`, `*.norm`."""
    for pattern in patterns:
        found = [
            parameter
            for name, parameter in network.named_parameters()
            if any(fnmatchcase(part, pattern) for part in _names_above(name))
        ]
        if not found:
            raise InvalidRequest(f"No parameter or module of this network matches {pattern!r}.")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InvalidRequest("All parameters are frozen: there is nothing to train.")


def freeze_statistics(network: nn.Module) -> None:
    """Keeps frozen modules in evaluation mode, without dropout and updates of normalisation statistics."""
    for module in network.modules():
        parameters = [*module.parameters()]
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _names_above(name: str) -> list[str]:
    """The names of a parameter and its parent modules: `voice.first.conv.weight`, voice.first.conv, …, voice."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]

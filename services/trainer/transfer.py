"""Transfer learning: start from another run's weights, and hold parts of a network still."""

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
    """As the user said; what of the other run's weights is taken goes to the terminal."""
    if start.weights is not None:
        taken = start_from(network, start.weights)
        anew = f"; anew: {', '.join(taken.left)}" if taken.left else ""
        told = f"{len(taken.taken)} tensors come from {start.weights}{anew}"
        Console(stderr=True).print(told, highlight=False, soft_wrap=True)
    freeze(network, start.freeze)


@dataclass(frozen=True, slots=True)
class TransferReport:
    """Which tensors came from the other run, and which of the network's own it could not give."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


def start_from(network: nn.Module, source: Path) -> TransferReport:
    """Every tensor of the same name and shape; the rest, such as the first layer of other features, starts anew."""
    path = source / "best.pt" if source.is_dir() else source
    if not path.is_file():
        raise InvalidRequest(f"There are no weights at {str(path)!r}.", hint="Give a run's folder, or its best.pt.")
    kept = torch.load(path, map_location="cpu", weights_only=True)
    kept = kept.get("averaged", kept)  # a checkpoint holds more than the weights
    own = network.state_dict()
    fitting = {name: kept[name] for name, value in own.items() if name in kept and kept[name].shape == value.shape}
    if not fitting:
        raise InvalidRequest(f"No tensor in {str(path)!r} has the name and the shape of one of this network.")
    network.load_state_dict(own | fitting)
    return TransferReport(tuple(fitting), tuple(name for name in own if name not in fitting))


def freeze(network: nn.Module, patterns: Iterable[str]) -> None:
    """No gradient for parameters whose name, or whose module's name, fits: `voice`, `text.*`, `*.norm`."""
    for pattern in patterns:
        found = [
            parameter
            for name, parameter in network.named_parameters()
            if any(fnmatchcase(part, pattern) for part in _names_above(name))
        ]
        if not found:
            raise InvalidRequest(f"No parameter or module of this network is called {pattern!r}.")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InvalidRequest("With all of that frozen nothing would be left to learn.")


def freeze_statistics(network: nn.Module) -> None:
    """Frozen modules stay in evaluation mode: else their normalisation would drift and their dropout would go on."""
    for module in network.modules():
        parameters = [*module.parameters()]
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _names_above(name: str) -> list[str]:
    """`voice.first.conv.weight` with voice.first.conv, voice.first and voice."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]

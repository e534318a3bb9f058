"""Trains the bundled text network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.text.minilm import MiniLM
from services.trainer.text.pretrained import load_pretrained
from services.trainer.text.task import TextTask
from services.trainer.trainable_networks import FROM_SCRATCH, Initialization
from services.trainer.transfer import initialize

ENCODER_RATE, HEAD_RATE, DECAY, LAYER_DECAY = 8e-5, 1e-3, 0.01, 0.9


def recipe_of(seed: int) -> Recipe:
    return Recipe(seed=seed, epochs=3)


def train(data: Path, run: Path, recipe: Recipe, start: Initialization = FROM_SCRATCH) -> Path:
    weights, tokenizer = load_pretrained()
    seed_everything(recipe.seed)
    network = MiniLM.pretrained(weights)
    initialize(network, start)
    return fit(network, rates(network), TextTask.read(data, tokenizer, recipe.seed), recipe, run)


def rates(network: MiniLM) -> list[dict[str, Any]]:
    """Parameter groups with a high rate for the heads and a rate that decreases with the depth of the encoder layer."""
    groups = [{"params": [*_heads(network)], "lr": HEAD_RATE, "weight_decay": DECAY}]
    for above, layer in enumerate(reversed(network.layers)):
        groups.append({"params": [*layer.parameters()], "lr": ENCODER_RATE * LAYER_DECAY**above, "weight_decay": DECAY})
    deepest = ENCODER_RATE * LAYER_DECAY ** len(network.layers)
    embedding = [*network.word.parameters(), *network.place.parameters(), *network.kind.parameters()]
    embedding += network.after_embedding.parameters()
    groups.append({"params": embedding, "lr": deepest, "weight_decay": DECAY})
    return groups


def _heads(network: MiniLM) -> list[nn.Parameter]:
    return [parameter for head in (network.emotion, network.sentiment, network.fine) for parameter in head.parameters()]

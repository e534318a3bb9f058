"""Trains the bundled face network."""

from __future__ import annotations

from pathlib import Path

import torch

from services.trainer.face.network import FaceCnn
from services.trainer.face.task import FaceTask
from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.trainable_networks import FROM_SCRATCH, Initialization
from services.trainer.transfer import initialize

RATE, DECAY = 2e-3, 0.05
EPOCHS = 88


def recipe_of(seed: int) -> Recipe:
    # The dev metrics still improve at the end of the schedule, so there is no early stopping.
    return Recipe(seed=seed, epochs=EPOCHS, average=0.998, warm_up=0.05, schedule="cosine", patience=EPOCHS, half=True)


def train(data: Path, run: Path, recipe: Recipe, start: Initialization = FROM_SCRATCH) -> Path:
    seed_everything(recipe.seed)
    network = FaceCnn().to(memory_format=torch.channels_last)
    initialize(network, start)
    parameters = [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}]
    return fit(network, parameters, FaceTask.read(data, recipe.seed), recipe, run)

"""Trains the bundled segmentation network on simulated conversations and evaluates it on held-out speakers."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.segmentation.network import SegmentationNet
from services.trainer.segmentation.task import SegmentationTask, evaluate_windows
from services.trainer.segmentation.voices import read_voices, split
from services.trainer.segmentation.window_cache import read_windows
from services.trainer.trainable_networks import FROM_SCRATCH, Initialization
from services.trainer.transfer import initialize

RATE, DECAY = 1e-3, 0.01
WINDOWS, HELD_OUT = 20_000, 1_000


def recipe_of(seed: int, epochs: int = 3) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, average=0.998, warm_up=0.08, schedule="cosine", clip=1.0, patience=epochs)


def train(
    data: Path,
    run: Path,
    recipe: Recipe,
    start: Initialization = FROM_SCRATCH,
    windows: int = WINDOWS,
    held_out: int = HELD_OUT,
) -> Path:
    train_voices, test_voices = split(read_voices(data))
    task = SegmentationTask(
        read_windows(train_voices, windows, recipe.seed, run / "windows", "train"),
        read_windows(test_voices, held_out, 0, run / "windows", "held_out"),  # the same for every seed
        recipe.seed,
    )
    seed_everything(recipe.seed)
    network = SegmentationNet()
    initialize(network, start)
    best = fit(network, [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}], task, recipe, run)
    network.load_state_dict(torch.load(best, weights_only=True))
    metrics = {
        "speakers learnt": len(train_voices),
        "speakers never heard": len(test_voices),
        "windows learnt": windows,
        "simulated windows of speakers never heard": evaluate_windows(network, task.held_out),
    }
    (run / "metrics.json").write_text(json.dumps(metrics, indent=2))
    return best

"""Trains the bundled speaker encoder to be robust to emotion and evaluates it on held-out speakers."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch

from services.trainer.export_ge2e import teacher
from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.speaker.network import SpeakerNet
from services.trainer.speaker.speaker_segments import read_segments, split
from services.trainer.speaker.task import SpeakerTask, error_rates

# Chosen on actors 01-04, two Germans and every sixth reader of the training speakers, trained on the others.
RATE, DECAY = 1e-3, 0.0


def recipe_of(seed: int, epochs: int = 6) -> Recipe:
    # The last weights are kept, so that the held-out voices influence no choice.
    return Recipe(seed=seed, epochs=epochs, average=0.99, schedule="cosine", keep="last", patience=epochs)


def train(data: Path, run: Path, recipe: Recipe) -> Path:
    seed_everything(recipe.seed)
    network = SpeakerNet.of_teacher(teacher()).eval()
    for parameter in network.lstm.parameters():
        parameter.requires_grad_(requires_grad=False)
    learnt, held_out = split(read_segments(data, network, run / "cuts.npz"))
    task = SpeakerTask(learnt, held_out, copy.deepcopy(network), recipe.seed)
    metrics = {"teacher, voices never heard": error_rates(network, held_out)}
    best = fit(
        network, [{"params": [*network.linear.parameters()], "lr": RATE, "weight_decay": DECAY}], task, recipe, run
    )
    network.load_state_dict(torch.load(best, weights_only=True))
    metrics["voices never heard"] = error_rates(network, held_out)
    (run / "metrics.json").write_text(json.dumps(metrics, indent=2))
    return best

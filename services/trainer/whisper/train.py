"""Trains the micro-Whisper on sentences synthesised by flite; needs no other data."""

from __future__ import annotations

from pathlib import Path

from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.trainable_networks import FROM_SCRATCH, Initialization
from services.trainer.transfer import initialize
from services.trainer.whisper.network import MicroWhisper
from services.trainer.whisper.synthesis import read_bank
from services.trainer.whisper.task import WhisperTask

RATE, DECAY = 2e-3, 0.01
EPOCHS = 90
TRAIN_SENTENCES, HELD_OUT_SENTENCES = {"en": 2400, "la": 400}, {"en": 160, "la": 40}


def recipe_of(seed: int) -> Recipe:
    return Recipe(seed=seed, epochs=EPOCHS, average=0.995, warm_up=0.05, schedule="cosine", patience=EPOCHS,
                  keep="last", save_every=50)  # fmt: skip


def train(_data: Path, run: Path, recipe: Recipe, start: Initialization = FROM_SCRATCH) -> Path:
    sentences = read_bank(run / "bank", "heard", TRAIN_SENTENCES, recipe.seed)
    held_out = read_bank(run / "bank", "unheard", HELD_OUT_SENTENCES, 0)  # the same for every seed
    task = WhisperTask(sentences, held_out, recipe.seed, recipe.epochs, from_scratch=start == FROM_SCRATCH)
    seed_everything(recipe.seed)
    network = MicroWhisper()
    initialize(network, start)
    return fit(network, [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}], task, recipe, run)

"""Train the micro-Whisper on sentences that flite speaks; it needs no data but flite."""

from __future__ import annotations

from pathlib import Path

from services.trainer.catalog import ANEW, Start
from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.transfer import begin
from services.trainer.whisper.network import MicroWhisper
from services.trainer.whisper.synth import read_bank
from services.trainer.whisper.task import WhisperTask

RATE, DECAY = 2e-3, 0.01
EPOCHS = 90
HEARD, UNHEARD = {"en": 2400, "la": 400}, {"en": 160, "la": 40}  # sentences


def recipe_of(seed: int) -> Recipe:
    return Recipe(seed=seed, epochs=EPOCHS, average=0.995, warm_up=0.05, schedule="cosine", patience=EPOCHS,
                  keep="last", save_every=50)  # fmt: skip


def train(_data: Path, run: Path, recipe: Recipe, start: Start = ANEW) -> Path:
    heard = read_bank(run / "bank", "heard", HEARD, recipe.seed)
    unheard = read_bank(run / "bank", "unheard", UNHEARD, 0)  # the same for every seed
    task = WhisperTask(heard, unheard, recipe.seed, recipe.epochs, anew=start == ANEW)
    seed_everything(recipe.seed)
    network = MicroWhisper()
    begin(network, start)
    return fit(network, [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}], task, recipe, run)

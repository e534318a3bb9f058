"""Trains the folds of the voice network in parallel processes of one core each, or sequentially on a GPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from services.trainer.loop import Recipe, fit, progress_bar, seed_everything
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.spectrogram_cache import read_spectrograms
from services.trainer.voice.task import VoiceTask
from shared.engines.decoder.sandbox import die_with_parent

RATE, DECAY = 2e-3, 0.01


@dataclass(frozen=True, slots=True)
class Fold:
    """The training clips of one network, and the clips for its final evaluation."""

    train: list[int]
    held_out: list[int]


def train_folds(data: Path, kept: Path, folds: Mapping[str, Fold], recipe: Recipe, run: Path) -> dict[str, Path]:
    """Trains every fold and returns the best weights; completed folds of an interrupted run are not repeated."""
    # A network this small gains little from a second core; another network in parallel uses it fully.
    workers = 1 if torch.cuda.is_available() else len(os.sched_getaffinity(0))
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_initialize_worker, initargs=(os.getpid(),))
    found: dict[str, Path] = {}
    with pool, progress_bar() as bar:
        waiting = {name: pool.submit(_train, data, kept, part, recipe, run / name) for name, part in folds.items()}
        line = bar.add_task("networks", total=len(folds))
        for name, best in waiting.items():
            found[name] = best.result()
            bar.advance(line)
    return found


def _initialize_worker(parent: int) -> None:
    die_with_parent(parent)
    torch.set_num_threads(1)


def _train(data: Path, kept: Path, part: Fold, recipe: Recipe, folder: Path) -> Path:
    network, parameters = new_network(recipe)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "training.log").open("a") as log, redirect_stdout(log):  # one terminal cannot show several bars
        return fit(network, parameters, VoiceTask(read_spectrograms(data, kept), part.train, [], recipe.seed), recipe,
                   folder)  # fmt: skip


def new_network(recipe: Recipe) -> tuple[VoiceCnn, list[dict[str, Any]]]:
    seed_everything(recipe.seed)
    network = VoiceCnn()
    return network, [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}]

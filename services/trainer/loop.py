"""A training run: seeding, logging, early stopping and resuming from a checkpoint."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from services.trainer.transfer import freeze_statistics

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of a run besides its data."""

    seed: int = 1
    epochs: int = 4
    warm_up: float = 0.06  # share of all steps
    clip: float = 1.0
    average: float = 0.999  # decay of the averaged weights, which are evaluated and stored
    patience: int = 3  # epochs without a better metric
    keep: str = "best"  # or last: if the held-out data must not influence any choice
    save_every: int = 200  # steps
    schedule: str = "linear"  # or cosine
    half: bool = False  # half precision on a CPU too: faster for convolutions, not for small networks


class Task(Protocol):
    """What is trained: its batches, its loss and its selection metric."""

    def batches(self, epoch: int) -> Sequence[Any]:
        """Descriptions of an epoch's batches, the same for the same seed."""
        ...

    def load(self, batch: Any, epoch: int) -> dict[str, Tensor]: ...
    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor: ...
    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        """The selection metric (larger is better) and the metrics to log."""
        ...


def fit(network: nn.Module, parameters: Iterable[dict[str, Any]], task: Task, recipe: Recipe, folder: Path) -> Path:
    """Trains and stores the best averaged weights in the folder; a second call resumes, or returns if complete."""
    folder.mkdir(parents=True, exist_ok=True)
    seed_everything(recipe.seed)
    run = _Run(network, parameters, task, recipe, folder)
    run.resume()
    with SummaryWriter(str(folder)) as board, progress_bar() as bar:
        while run.state["epoch"] < recipe.epochs and not run.state["done"]:
            run.learn(board, bar)
            run.evaluate(board, bar)
            run.save()
    return folder / BEST


class _Run:
    """The state of a run that is stored in its checkpoint, and its training steps."""

    def __init__(
        self, network: nn.Module, parameters: Iterable[dict[str, Any]], task: Task, recipe: Recipe, folder: Path
    ) -> None:
        # Several devices are used only on GPUs, which always use half precision.
        self.accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
        self.half_on_cpu = recipe.half and bool(torch.cpu.get_capabilities().get("avx512_bf16"))
        self.task, self.recipe, self.folder = task, recipe, folder
        steps = len(task.batches(0)) * recipe.epochs
        optimizer = torch.optim.AdamW(list(parameters))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, recipe))
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.averaged = {name: value.detach().clone() for name, value in self.bare.state_dict().items()}
        self.state: dict[str, Any] = {"epoch": 0, "step": 0, "best": -math.inf, "best_epoch": -1, "done": False}
        (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2))

    @property
    def bare(self) -> nn.Module:
        """The network without the wrapper for several devices."""
        return self.accelerator.unwrap_model(self.network)

    def resume(self) -> None:
        if not (self.folder / CHECKPOINT).is_file():
            return
        kept = torch.load(self.folder / CHECKPOINT, map_location=self.accelerator.device, weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])
        self.averaged, self.state = kept["averaged"], kept["state"]

    def save(self) -> None:
        if self.accelerator.is_main_process:
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            _write_atomically(parts | {"averaged": self.averaged, "state": self.state}, self.folder / CHECKPOINT)

    def _parts(self) -> dict[str, Any]:
        return {"network": self.bare, "optimizer": self.optimizer, "schedule": self.schedule}

    def learn(self, board: SummaryWriter, bar: Progress) -> None:
        """Trains one epoch, from the step of the checkpoint."""
        epoch, devices = self.state["epoch"], self.accelerator.num_processes
        batches = self.task.batches(epoch)
        line = bar.add_task(f"epoch {epoch + 1}", total=len(batches))
        self.network.train()
        freeze_statistics(self.bare)
        while self.state["step"] + devices <= len(batches):
            mine = self.state["step"] + self.accelerator.process_index
            # Seeded per step, so that a resumed run draws the same numbers as an uninterrupted one.
            seed_everything(hash((self.recipe.seed, epoch, mine)) % 2**31)
            loss = self._step(self.task.load(batches[mine], epoch))
            self.state["step"] += devices
            bar.update(line, completed=self.state["step"], description=f"epoch {epoch + 1}, loss {loss:.3f}")
            board.add_scalar("loss", loss, self.schedule.last_epoch)
            if self.state["step"] % self.recipe.save_every < devices:
                self.save()
        self.state["epoch"], self.state["step"] = epoch + 1, 0

    def _step(self, batch: dict[str, Tensor]) -> float:
        tensors = {name: value.to(self.accelerator.device) for name, value in batch.items()}
        with self.accelerator.autocast(), torch.autocast("cpu", torch.bfloat16, enabled=self.half_on_cpu):
            loss = self.task.loss(self.network, tensors)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        # The decay grows during the run, because early averages would retain the initial weights.
        _update_average(
            self.averaged,
            self.bare,
            min(self.recipe.average, self.schedule.last_epoch / (10 + self.schedule.last_epoch)),
        )
        return float(loss.detach())

    def evaluate(self, board: SummaryWriter, bar: Progress) -> None:
        """Stores the averaged weights if they are the best so far."""
        epoch = self.state["epoch"] - 1
        own = {name: value.clone() for name, value in self.bare.state_dict().items()}
        self.bare.load_state_dict(self.averaged)
        self.bare.eval()
        with torch.no_grad():
            metric, metrics = self.task.evaluate(self.bare)
        self.bare.load_state_dict(own)
        for name, value in metrics.items():
            board.add_scalar(f"dev/{name}", value, epoch)
        bar.console.print(f"epoch {epoch + 1}: {metric:.4f} {metrics}")
        if metric > self.state["best"] or self.recipe.keep == "last":
            self.state["best"], self.state["best_epoch"] = metric, epoch
            _write_atomically(self.averaged, self.folder / BEST)
        self.state["done"] = epoch - self.state["best_epoch"] >= self.recipe.patience


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # used by libraries for augmentation
    torch.manual_seed(seed)


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    warm = max(1, round(steps * recipe.warm_up))
    if step < warm:
        return (step + 1) / warm
    left = max(0.0, (steps - step) / max(1, steps - warm))
    return left if recipe.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))


@torch.no_grad()
def _update_average(averaged: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            averaged[name].lerp_(value, 1 - decay)
        else:
            averaged[name].copy_(value)


def _write_atomically(content: object, path: Path) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
    torch.save(content, temporary)
    temporary.replace(path)


def progress_bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

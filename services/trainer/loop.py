"""One training run: seeded, watched, stopped early, and going on where a kill left it."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that a run depends on besides its data."""

    seed: int = 1
    epochs: int = 4
    warm_up: float = 0.06  # share of all steps
    clip: float = 1.0
    average: float = 0.999  # decay of the averaged weights, which are the ones that are judged and kept
    patience: int = 3  # epochs without a better figure
    save_every: int = 200  # steps
    schedule: str = "linear"  # or cosine


class Task(Protocol):
    """What is trained: how its batches are made, what is minimised, and what counts as better."""

    def batches(self, epoch: int) -> Sequence[Any]:
        """Descriptions of an epoch's batches, the same for the same seed."""
        ...

    def load(self, batch: Any, epoch: int) -> dict[str, Tensor]: ...
    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor: ...
    def judge(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        """The figure that decides, the larger the better, and those worth watching."""
        ...


def fit(network: nn.Module, parameters: Iterable[dict[str, Any]], task: Task, recipe: Recipe, folder: Path) -> Path:
    """Train, and leave the best averaged weights in the folder; a second call goes on, or does nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    seed_everything(recipe.seed)
    # Half precision and several devices only where there is a GPU: on a CPU it runs as it is.
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() else "no")
    optimizer = torch.optim.AdamW(list(parameters))
    steps = len(task.batches(0)) * recipe.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, recipe))
    network, optimizer = accelerator.prepare(network, optimizer)
    averaged = {name: value.detach().clone() for name, value in _bare(network).state_dict().items()}
    state: dict[str, Any] = {"epoch": 0, "step": 0, "best": -math.inf, "best_epoch": -1, "done": False}
    if (folder / CHECKPOINT).is_file():
        kept = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
        _bare(network).load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        averaged, state = kept["averaged"], kept["state"]
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe), indent=2))

    def save() -> None:
        if accelerator.is_main_process:
            parts = {"network": _bare(network), "optimizer": optimizer, "schedule": schedule}
            whole = {name: part.state_dict() for name, part in parts.items()} | {"averaged": averaged, "state": state}
            _write_whole(whole, folder / CHECKPOINT)

    with SummaryWriter(str(folder)) as board, _bar() as bar:
        while state["epoch"] < recipe.epochs and not state["done"]:
            epoch = state["epoch"]
            todo = task.batches(epoch)[state["step"] :]
            line = bar.add_task(f"epoch {epoch + 1}", total=len(task.batches(epoch)), completed=state["step"])
            network.train()
            for number, batch in enumerate(todo[accelerator.process_index :: accelerator.num_processes]):
                # Seeded by place, so that a resumed run draws what the unbroken one would have drawn.
                seed_everything(hash((recipe.seed, epoch, state["step"])) % 2**31)
                tensors = {name: value.to(accelerator.device) for name, value in task.load(batch, epoch).items()}
                with accelerator.autocast():
                    loss = task.loss(network, tensors)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(network.parameters(), recipe.clip)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                _follow(
                    averaged,
                    _bare(network),
                    min(recipe.average, (1 + schedule.last_epoch) / (10 + schedule.last_epoch)),
                )
                state["step"] += accelerator.num_processes
                bar.update(line, completed=state["step"], description=f"epoch {epoch + 1} loss {loss.item():.3f}")
                board.add_scalar("loss", loss.item(), schedule.last_epoch)
                if number % recipe.save_every == recipe.save_every - 1:
                    save()
            state["epoch"], state["step"] = epoch + 1, 0
            figure, figures = _judge(task, _bare(network), averaged)
            for name, value in figures.items():
                board.add_scalar(f"dev/{name}", value, epoch)
            bar.console.print(f"epoch {epoch + 1}: {figure:.4f} {figures}")
            if figure > state["best"]:
                state["best"], state["best_epoch"] = figure, epoch
                _write_whole(averaged, folder / "best.pt")
            state["done"] = epoch - state["best_epoch"] >= recipe.patience
            save()
    return folder / "best.pt"


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # libraries that augment draw from it
    torch.manual_seed(seed)


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    warm = max(1, round(steps * recipe.warm_up))
    if step < warm:
        return (step + 1) / warm
    left = max(0.0, (steps - step) / max(1, steps - warm))
    return left if recipe.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left))


@torch.no_grad()
def _follow(averaged: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            averaged[name].lerp_(value, 1 - decay)
        else:
            averaged[name].copy_(value)


def _judge(task: Task, network: nn.Module, averaged: dict[str, Tensor]) -> tuple[float, dict[str, float]]:
    own = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(averaged)
    network.eval()
    with torch.no_grad():
        judged = task.judge(network)
    network.load_state_dict(own)
    return judged


def _bare(network: nn.Module) -> nn.Module:
    """The network itself, whatever spreads it over devices."""
    return network.module if isinstance(network, nn.parallel.DistributedDataParallel) else network


def _write_whole(content: object, path: Path) -> None:
    aside = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}")
    torch.save(content, aside)
    aside.replace(path)


def _bar() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())

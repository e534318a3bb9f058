"""`undertone train` and `undertone export`: from labelled data to a network that serves."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.request import read_engines
from services.trainer.trainable_networks import TRAINABLE, ClipOptions, Initialization, export, train

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(TRAINABLE)}.")]
Data = Annotated[Path, typer.Option(exists=True, file_okay=False, help="Folder of the corpora; see docs/training.md.")]


def train_command(
    name: Name,
    data: Data,
    run: Annotated[Path | None, typer.Option(help="Where the run is kept; RUNS/NAME-SEED if not given.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's own.")] = None,
    layout: Annotated[str | None, typer.Option(help="Of clips: meld, iemocap, crema-d, ravdess or csv.")] = None,
    engine: Annotated[list[str] | None, typer.Option(help="SLOT=NAME that perceives the clips; repeatable.")] = None,
    start_from: Annotated[Path | None, typer.Option(exists=True, help="A run, or its weights.")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="Parameters or modules that stay; repeatable.")] = None,
) -> None:
    """Train a network; stop it any time, the same command goes on where it stopped."""
    options = ClipOptions(layout, read_engines(engine or []))
    start = Initialization(start_from, tuple(freeze or []))
    best = train(name, data, run or default_run(name, seed), seed, epochs, options, start)
    Console(stderr=True).print(f"The best weights are in {best}", highlight=False, soft_wrap=True)


def export_command(
    name: Name,
    data: Data,
    run: Annotated[Path | None, typer.Option(help="The run to export; RUNS/NAME-SEED if not given.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Put a trained network in the place of the bundled one, with its card; prints its figures as JSON.

    Networks that read clips are not bundled: their run is written anew, and serves as fusion=network:RUN.
    """
    metrics = export(name, data, run or default_run(name, seed))
    sys.stdout.write(json.dumps(metrics) + "\n")


def default_run(name: str, seed: int) -> Path:
    return Path("runs") / f"{name}-{seed}"

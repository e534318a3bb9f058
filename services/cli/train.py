"""`undertone train` and `undertone export`: train a network on labelled data and export it for serving."""

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
Data = Annotated[
    Path, typer.Option(exists=True, file_okay=False, help="Folder with the corpora; see docs/training.md.")
]


def train_command(
    name: Name,
    data: Data,
    run: Annotated[Path | None, typer.Option(help="Folder of the run; RUNS/NAME-SEED if omitted.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same results.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of epochs instead of the recipe's.")] = None,
    layout: Annotated[
        str | None, typer.Option(help="Layout of the clips: meld, iemocap, crema-d, ravdess or csv.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="SLOT=NAME of an engine that encodes the clips; repeatable.")
    ] = None,
    start_from: Annotated[Path | None, typer.Option(exists=True, help="A run or its weights to start from.")] = None,
    freeze: Annotated[list[str] | None, typer.Option(help="Parameters or modules to freeze; repeatable.")] = None,
) -> None:
    """Train a network; after an interruption the same command resumes."""
    options = ClipOptions(layout, read_engines(engine or []))
    start = Initialization(start_from, tuple(freeze or []))
    best = train(name, data, run or default_run(name, seed), seed, epochs, options, start)
    Console(stderr=True).print(f"The best weights are in {best}", highlight=False, soft_wrap=True)


def export_command(
    name: Name,
    data: Data,
    run: Annotated[Path | None, typer.Option(help="The run to export; RUNS/NAME-SEED if omitted.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Replace the bundled network with a trained one, with its card; print its metrics as JSON.

    Networks that read clips are not bundled: their run is rewritten, and serves as fusion=network:RUN.
    """
    metrics = export(name, data, run or default_run(name, seed))
    sys.stdout.write(json.dumps(metrics) + "\n")


def default_run(name: str, seed: int) -> Path:
    return Path("runs") / f"{name}-{seed}"

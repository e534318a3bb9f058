"""`undertone evaluate`: evaluates the serving networks on labelled data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress as Bars

from services.cli.table import AsJson, plain_table
from shared.domain.emotion import Modality
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports.media import Progress

evaluate = typer.Typer(help="Evaluate the serving networks on labelled data.", no_args_is_help=True)

Data = Annotated[Path, typer.Option(help="A file or a folder; docs/training.md describes the files of each layout.")]
Engine = Annotated[str | None, typer.Option(help="The engine to evaluate instead of the one that `auto` selects.")]


@evaluate.command("emotion")
def evaluate_emotion_command(
    modality: Annotated[Modality, typer.Option(help="The modality to evaluate.")],
    data: Data,
    layout: Annotated[str, typer.Option(help="meld, emorynlp, goemotions, ravdess, emodb, crema-d, fer2013 or csv.")],
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy, F1, mean recall, calibration and confusions of one modality."""
    from services.trainer.evaluate import evaluate_emotion  # noqa: PLC0415  # slow to import, needed only here

    with _progress() as progress:
        result = evaluate_emotion(modality, data, layout, engine, _setup(), progress)
    _show(result, as_json=as_json)


@evaluate.command("speakers")
def evaluate_speakers_command(data: Data, engine: Engine = None, as_json: AsJson = False) -> None:
    """Equal error rate of the speaker encoder over a folder with one folder for each speaker."""
    from services.trainer.evaluate_speakers import evaluate_speakers  # noqa: PLC0415  # as above

    with _progress() as progress:
        result = evaluate_speakers(data, engine, _setup(), progress)
    _show(result, as_json=as_json)


@evaluate.command("channels")
def evaluate_channels_command(data: Data, engine: Engine = None, as_json: AsJson = False) -> None:
    """Equal error rate of the speaker encoder for held-out readers, by channel and by length of turn."""
    from services.trainer.evaluate_channels import evaluate_channels  # noqa: PLC0415  # as above

    with _progress() as progress:
        result = evaluate_channels(data, engine, _setup(), progress)
    if as_json:
        _show(result, as_json=True)
        return
    lengths = list(next(iter(result["eer"].values())))
    table = plain_table("equal error rate, %", *lengths)
    for channel, rates in result["eer"].items():
        table.add_row(channel, *(f"{100 * rates[length]:.1f}" for length in lengths))
    Console().print(table)


def _setup() -> Setup:
    return Setup(engines=EngineSettings(), media=MediaSettings())


@contextmanager
def _progress() -> Iterator[Progress]:
    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("evaluating", total=1.0)
        yield lambda share: bars.update(task, completed=share)


def _show(result: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    console = Console()
    for name, value in result.items():
        if not isinstance(value, dict | list):
            console.print(f"{name:12} {value}", highlight=False)
    if "per_class" not in result:
        return
    table = plain_table("", "precision", "recall", "f1", "support", "confused with")
    for (name, metrics), row in zip(result["per_class"].items(), result["confusion"], strict=True):
        confusions = ", ".join(
            f"{other} {count}" for other, count in zip(result["per_class"], row, strict=True) if count and other != name
        )
        table.add_row(name, *(str(metrics[key]) for key in ("precision", "recall", "f1", "support")), confusions)
    console.print(table)

"""`undertone models`: lists bundled and downloadable weights, and downloads them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from shared.engines.settings import EngineSettings
from shared.engines.weights.fetch import fetch
from shared.engines.weights.installed import fetched, hub_models
from shared.engines.weights.model_cards import BUNDLED, list_cards

models = typer.Typer(help="List and download model weights.", no_args_is_help=True)


@models.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List all weights with licence and location."""
    rows = [*_bundled(), *_from_hub(EngineSettings())]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("name", "slot", "licence", "commercial use", "size", "where"):
        table.add_column(heading)
    for row in rows:
        commercial = "[green]yes[/green]" if row["commercial_use"] else "[yellow]no[/yellow]"
        table.add_row(row["name"], row["slot"], row["licence"], commercial, f"{row['megabytes']} MB", row["where"])
    Console().print(table)


def _bundled() -> list[dict[str, Any]]:
    return [
        {
            "name": card.name,
            "slot": card.slot,
            "licence": card.licence,
            "commercial_use": card.commercial_use,
            "megabytes": round((BUNDLED / card.file).stat().st_size / 1e6, 1),
            "where": "bundled",
            "limits": card.limits,
            "metrics": card.metrics,
        }
        for card in list_cards()
    ]


def _from_hub(settings: EngineSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": model.name,
            "slot": model.slot,
            "licence": model.licence,
            "commercial_use": model.commercial_use,
            "megabytes": model.megabytes,
            "where": "here" if fetched(model.name, settings) else model.hint,
        }
        for model in hub_models()
    ]


@models.command("fetch")
def fetch_model(
    names: Annotated[
        list[str], typer.Argument(help="Weights such as faster-whisper:small; see `undertone models list`.")
    ],
) -> None:
    """Download weights from the hub; complete files are only checked, interrupted downloads resume."""
    settings = EngineSettings()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        for name in names:
            task = bars.add_task(name, total=None)
            folder = fetch(name, settings, _Bar(bars, task))
            bars.console.print(f"{name} is in {folder}", highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Bar:
    bars: Progress
    task: TaskID

    def __call__(self, done: int, total: int) -> None:
        self.bars.update(self.task, completed=done, total=total)

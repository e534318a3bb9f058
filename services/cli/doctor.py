"""`undertone doctor`: lists available and missing engines, and the command that installs a missing one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from services.cli.table import AsJson, plain_table
from shared.domain.engine_report import EngineStatus, SlotReport
from shared.domain.governance import NOTICE
from shared.engines.catalog import Setup
from shared.engines.check import check_slots
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.settings import GovernanceSettings


def doctor(as_json: AsJson = False) -> None:
    """List the engines of this machine and how to install missing ones; exit status 1 if a slot has no engine."""
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    slots = check_slots(setup)
    if as_json:
        rows = {one.slot: [finding.model_dump(mode="json") for finding in one.engines] for one in slots}
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(slots)
    if not all(any(finding.status is EngineStatus.USED for finding in one.engines) for one in slots):
        raise typer.Exit(1)


def _print(slots: Sequence[SlotReport]) -> None:
    console = Console()
    table = plain_table("work", "engine", "", "details")
    styles = {"used": "green", "ready": "dim", "missing": "yellow"}
    for one in slots:
        for number, finding in enumerate(one.engines):
            detail = finding.detail + (f"\n[bold]→[/bold] {finding.hint}" if finding.hint else "")
            work = one.work if number == 0 else ""
            table.add_row(
                work, f"{one.slot}={finding.engine}", f"[{styles[finding.status]}]{finding.status}[/]", detail
            )
    console.print(table)
    allowed = ", ".join(GovernanceSettings().modalities) or "none"
    console.print(f"\nModalities allowed here: [bold]{allowed}[/bold]. {NOTICE}", soft_wrap=False)

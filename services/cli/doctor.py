"""`undertone doctor`: lists available and missing engines, and the command that installs a missing one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

import typer
from rich.console import Console

from services.cli.table import AsJson, plain_table
from shared.domain.error import EngineUnavailable
from shared.domain.governance import NOTICE
from shared.engines.catalog import SLOTS, Setup, Slot
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.settings import GovernanceSettings


@dataclass(frozen=True, slots=True)
class Finding:
    """The status of one engine of a slot; `used` marks the default engine."""

    engine: str
    status: str  # used, ready, missing
    detail: str = ""
    hint: str | None = None


def doctor(as_json: AsJson = False) -> None:
    """List the engines of this machine and how to install missing ones; exit status 1 if a slot has no engine."""
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    findings = {name: check_slot(slot, setup) for name, slot in SLOTS.items()}
    if as_json:
        rows = {slot: [asdict(finding) for finding in found] for slot, found in findings.items()}
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(findings)
    if not all(any(finding.status == "used" for finding in found) for found in findings.values()):
        raise typer.Exit(1)


def check_slot(slot: Slot[object], setup: Setup) -> list[Finding]:
    """Try to load every engine of the slot, in the order of `auto`."""
    findings: list[Finding] = []
    state = "used"
    for name in slot.classes:
        found = slot.find_class(name)
        try:
            engine = found.load(None, setup)
        except EngineUnavailable as error:
            findings.append(Finding(name, "missing", error.message, error.hint))
            continue
        described = found if engine is None else engine  # the choice of no engine is described by its class
        findings.append(Finding(getattr(described, "name", name), state, getattr(described, "note", None) or ""))
        state = "ready"
    return findings


def _print(findings: dict[str, list[Finding]]) -> None:
    console = Console()
    table = plain_table("work", "engine", "", "details")
    styles = {"used": "green", "ready": "dim", "missing": "yellow"}
    for slot, found in findings.items():
        for number, finding in enumerate(found):
            detail = finding.detail + (f"\n[bold]→[/bold] {finding.hint}" if finding.hint else "")
            work = SLOTS[slot].work if number == 0 else ""
            table.add_row(work, f"{slot}={finding.engine}", f"[{styles[finding.status]}]{finding.status}[/]", detail)
    console.print(table)
    allowed = ", ".join(GovernanceSettings().modalities) or "none"
    console.print(f"\nModalities allowed here: [bold]{allowed}[/bold]. {NOTICE}", soft_wrap=False)

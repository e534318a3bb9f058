"""The output of commands that list something: a table without borders, or JSON."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def plain_table(*headings: str) -> Table:
    return Table(*headings, box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)

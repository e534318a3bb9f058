"""Tables without borders, as every command prints them."""

from __future__ import annotations

from rich.table import Table


def plain_table(*headings: str) -> Table:
    return Table(*headings, box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)

"""`undertone models`: the weights that are bundled, those that can be fetched, and fetching them."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

models = typer.Typer(help="The weights: bundled, fetched, and to be fetched.", no_args_is_help=True)

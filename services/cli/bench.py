"""`undertone bench`: measures the serving cost of the trainable networks."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from services.cli.table import AsJson, plain_table
from services.trainer.trainable_networks import import_torch_module

bench = typer.Typer(help="Measure performance on this machine.", no_args_is_help=True)


@bench.callback()
def _bench() -> None:
    """A callback, so that Typer keeps `networks` a subcommand while it is the only one."""


@bench.command("networks")
def bench_networks(
    names: Annotated[list[str] | None, typer.Argument(help="Names of networks; all if omitted.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parameters, operations, latency and throughput of every network on ONNX Runtime, with random weights."""
    rows = import_torch_module("services.trainer.bench_networks").rows
    measurements = [asdict(row) for row in (rows(names) if names else rows())]
    if as_json:
        sys.stdout.write(json.dumps(measurements) + "\n")
        return
    table = plain_table(
        "network", "reads a", "parameters", "GFLOP/utterance", "latency ms", "utterances/s", "kept share"
    )
    for row in measurements:
        kept_share = "" if row["kept_share"] is None else f"{row['kept_share']:.2f}"
        table.add_row(
            row["name"], row["kind"], f"{row['parameters']:,}", f"{row['gflops_per_utterance']:.3f}",
            f"{row['latency_ms']:.1f}", f"{row['utterances_per_second']:.1f}", kept_share,
        )  # fmt: skip
    Console().print(table)

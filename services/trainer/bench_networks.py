"""Measures the serving cost of each network: parameters, operations, latency and throughput on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from services.trainer.cost import flops, seconds_per_call
from services.trainer.export import export, open_graph, run_graph
from services.trainer.networks.contract import REGISTRY, UTTERANCE, NetworkSpec, load
from services.trainer.networks.examples import example
from services.trainer.networks.sparse_serving import measure_saving


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the benchmark table; weights are random, so it says nothing about accuracy."""

    name: str
    kind: str
    parameters: int
    gflops_per_utterance: float
    latency_ms: float  # of one utterance, or of one dialogue of typical length
    utterances_per_second: float
    kept_share: float | None = None  # of the steps, for a sparse network


def measure(name: str, config: Any = None, *, threads: int = 0, budget: float = 1.0) -> Row:
    """Builds the network with the default or the given configuration; times it twice for about `budget` seconds."""
    spec = load(name)
    config = spec.config if config is None else config
    torch.manual_seed(0)
    network = spec.build(config)
    single = example(spec, config, 1)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export(network, spec, path)
        session = open_graph(path, threads)
        several = example(spec, config, _batch(spec))
        latency = seconds_per_call(lambda: run_graph(session, single), budget=budget)
        together = seconds_per_call(lambda: run_graph(session, several), budget=budget)
        row = Row(
            name=name,
            kind=spec.kind,
            parameters=sum(tensor.numel() for tensor in network.parameters()),
            gflops_per_utterance=flops(network, single) / 1e9 / _utterances(spec, 1),
            latency_ms=latency * 1e3,
            utterances_per_second=_utterances(spec, _batch(spec)) / together,
        )
        if name != "mme2e-sparse":
            return row
        # The served form: the dense graph exported above is for training and parity only.
        one, many = (
            measure_saving(network, inputs, Path(folder), threads=threads, budget=budget)
            for inputs in (single, several)
        )
        return replace(
            row,
            gflops_per_utterance=one.gflops,
            latency_ms=one.seconds * 1e3,
            utterances_per_second=_batch(spec) / many.seconds,
            kept_share=one.kept_share,
        )


def rows(names: Iterable[str] = REGISTRY) -> Iterator[Row]:
    """Yields each row of the table as soon as it is measured."""
    for name in names:
        yield measure(name)


def _batch(spec: NetworkSpec) -> int:
    # A dialogue contains many utterances.
    return 8 if spec.kind == "utterance" else 2


def _utterances(spec: NetworkSpec, batch: int) -> int:
    return batch if spec.kind == "utterance" else batch * UTTERANCE.usual

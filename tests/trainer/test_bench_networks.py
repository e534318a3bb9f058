"""The benchmark table has a row for every network."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

from services.trainer.bench_networks import measure
from services.trainer.networks.contract import load
from tests.trainer.networks.tiny import TINY, build


@pytest.mark.parametrize("name", TINY)
def test_every_network_is_measured(name: str) -> None:
    row = measure(name, TINY[name], threads=1, budget=0.01)
    assert row.name == name and row.kind == load(name).kind
    assert row.parameters == sum(tensor.numel() for tensor in build(name).parameters())
    assert row.gflops_per_utterance > 0 and row.latency_ms > 0 and row.utterances_per_second > 0
    assert (row.kept_share is not None) == (name == "mme2e-sparse")
    assert row.kept_share is None or 0 < row.kept_share < 1

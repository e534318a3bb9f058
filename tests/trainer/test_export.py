"""A graph that differs from its network is rejected."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import onnx
import torch

from services.trainer.export import OPSET, export, parity
from services.trainer.networks.late_fusion import SPEC
from shared.domain.error import EngineFailed
from tests.trainer.networks.tiny import build


def test_the_graph_has_named_tensors_and_dynamic_rows_and_steps(tmp_path: Path) -> None:
    export(build("late-fusion"), SPEC, tmp_path / "network.onnx")
    graph = onnx.load(tmp_path / "network.onnx")
    assert graph.opset_import[0].version == OPSET >= 17
    taken = {tensor.name: [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
             for tensor in graph.graph.input}  # fmt: skip
    assert taken["voice"] == ["row", 8, "frame"] and taken["voice_mask"] == ["row", "frame"]
    assert [tensor.name for tensor in graph.graph.output] == list(SPEC.outputs)


def test_parity_rejects_the_graph_of_another_network(tmp_path: Path) -> None:
    export(build("late-fusion"), SPEC, tmp_path / "network.onnx")
    with pytest.raises(EngineFailed, match="differs from torch by"):
        parity(build("late-fusion"), SPEC, tmp_path / "network.onnx")


def test_parity_rejects_nan(tmp_path: Path) -> None:
    network = build("late-fusion")
    with torch.no_grad():
        network.heads.emotion[-1].bias.fill_(torch.nan)
    export(network, SPEC, tmp_path / "network.onnx")
    with pytest.raises(EngineFailed, match="nan"):
        parity(network, SPEC, tmp_path / "network.onnx")

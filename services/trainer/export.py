"""Exports a network to ONNX and checks that ONNX Runtime and torch agree."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from services.trainer.networks.contract import Network, NetworkSpec
from services.trainer.networks.examples import PATTERNS, example, restrict
from shared.domain.error import EngineFailed

OPSET = 17
TOLERANCE = 1e-4
MAX_DISAGREEMENT = 0.02  # of the rows
BATCHES = (1, 2, 7)
# Valid steps of the rows, in turn: one alone, short, ragged, the usual length, none at all, and none in some rows.
LENGTHS: tuple[tuple[int, ...] | None, ...] = ((1,), (3,), (13,), (9, 1, 4), None, (0,), (0, 6))


def export(network: Network, spec: NetworkSpec, path: Path) -> None:
    """Writes the network in evaluation mode, with dynamic rows and steps."""
    sample = example(spec, network.config, batch=2, lengths=(3, 2))
    write_graph(network, sample, spec.outputs, spec.dynamic_axes(network.config), path)


def write_graph(
    module: torch.nn.Module,
    sample: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
    path: Path,
) -> None:
    """Writes any module whose forward takes the sample's tensors in their order."""
    module.eval()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but it writes an LSTM as one operator and needs no further package.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # The exporter warns that an LSTM's batch may be fixed; the parity check covers three batch sizes.
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size other than 1")
        # Instance norm uses the statistics of its input in evaluation too, which the exporter reports.
        warnings.filterwarnings(
            "ignore", message="ONNX export mode is set to TrainingMode.EVAL, but operator 'instance"
        )
        # torch's check of an LSTM's input also warns; in our own modules a data-dependent branch remains an error.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning, module=r"torch\.nn\.modules\.rnn")
        torch.onnx.export(
            module,
            tuple(sample.values()),
            str(path),
            input_names=list(sample),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
            opset_version=OPSET,
            dynamo=False,
        )


def open_graph(path: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """Opens the graph in ONNX Runtime on the CPU; `threads=0` means all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_graph(session: onnxruntime.InferenceSession, inputs: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The outputs by name; tensors that are not inputs of the graph are ignored."""
    wanted = {tensor.name for tensor in session.get_inputs()}
    found = session.run(None, {name: values.numpy() for name, values in inputs.items() if name in wanted})
    return {tensor.name: values for tensor, values in zip(session.get_outputs(), found, strict=True)}


def parity(network: Network, spec: NetworkSpec, path: Path, *, rounds: int = 64) -> float:
    """The largest difference in any output over batches, lengths and availability patterns; fails above 1e-4.

    Rows whose discrete choices differ between the runtimes are not compared; they must be few.
    """
    session = open_graph(path, threads=1)
    network.eval()
    worst, compared, disagreeing = 0.0, 0, 0
    for at in range(rounds):
        # Every length is combined with every batch size, then both repeat with other patterns.
        lengths, batch = LENGTHS[at % len(LENGTHS)], BATCHES[at // len(LENGTHS) % len(BATCHES)]
        patterns = [PATTERNS[(at // 2 + row) % len(PATTERNS)] for row in range(batch)]
        inputs = restrict(example(spec, network.config, batch, lengths, seed=at), patterns)
        with torch.no_grad():
            ours = network(**inputs)
        theirs = run_graph(session, inputs)
        apart = {name: _apart(values.numpy(), theirs[name]) for name, values in zip(spec.outputs, ours, strict=True)}
        alike = np.all([np.ones(batch, dtype=bool), *(apart[name] <= TOLERANCE for name in spec.choices)], axis=0)
        compared, disagreeing = compared + batch, disagreeing + int((~alike).sum())
        for name, differences in apart.items():
            difference = float(differences[alike].max(initial=0.0))
            # `not <=` also rejects NaN, for which every comparison is false.
            if not difference <= TOLERANCE:
                raise EngineFailed(
                    f"The export of {spec.name} differs from torch by {difference} in {name} "
                    f"(batch {batch}, lengths {lengths})."
                )
            worst = max(worst, difference)
    if disagreeing > MAX_DISAGREEMENT * compared:
        raise EngineFailed(
            f"The export of {spec.name} chooses differently from torch in {disagreeing} of {compared} rows."
        )
    return worst


def _apart(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:  # (row,)
    return np.asarray(np.abs(ours - theirs).reshape(len(ours), -1).max(axis=1))

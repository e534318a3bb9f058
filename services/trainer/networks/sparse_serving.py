"""Sparse MME2E for serving: one graph scores all steps, NumPy gathers the selected ones, another graph encodes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from services.trainer.cost import flops, seconds_per_call
from services.trainer.export import export, open_graph, run_graph, write_graph
from services.trainer.networks.contract import Outputs
from services.trainer.networks.examples import example
from services.trainer.networks.masking import present, zero_masked
from services.trainer.networks.mme2e import SPEC as DENSE
from services.trainer.networks.mme2e import Mme2e
from services.trainer.networks.mme2e_sparse import SPEC, Mme2eSparse
from services.trainer.networks.selection import EQUAL

SCORING_OUTPUTS = ("voice_maps", "voice_scores", "face_maps", "face_scores")
MODALITIES = ("voice", "face")


class ScoringGraph(torch.nn.Module):
    """The first graph: the stems and the score of each step."""

    def __init__(self, network: Mme2eSparse) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice: torch.Tensor,
        voice_mask: torch.Tensor,
        face: torch.Tensor,
        face_mask: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        words = self.network.text_query(text, text_mask)
        return *self.network.voice.score_steps(voice, voice_mask, words), *self.network.face.score_steps(
            face, face_mask, words
        )


class ReadingGraph(torch.nn.Module):
    """The second graph: everything after the selection of steps."""

    def __init__(self, network: Mme2eSparse) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        text: torch.Tensor,
        text_mask: torch.Tensor,
        voice_maps: torch.Tensor,
        voice_mask: torch.Tensor,
        voice_gates: torch.Tensor,
        voice_place: torch.Tensor,
        face_maps: torch.Tensor,
        face_mask: torch.Tensor,
        face_gates: torch.Tensor,
        face_place: torch.Tensor,
    ) -> Outputs:
        words = self.network.text_query(text, text_mask)
        pooled = {
            "text": zero_masked(text, text_mask),
            "voice": self.network.voice.encode_steps(voice_maps, voice_mask, voice_gates, voice_place, words)[0],
            "face": self.network.face.encode_steps(face_maps, face_mask, face_gates, face_place, words)[0],
        }
        available = {"text": text_mask, "voice": present(voice_mask), "face": present(face_mask)}
        emotion, sentiment, embedding = self.network.sum(pooled, available)
        return Outputs(emotion, sentiment, embedding)


@dataclass(frozen=True, slots=True)
class SparsitySaving:
    """The cost of the sparse network and of the dense network on the same inputs."""

    kept_share: float  # of the steps
    gflops: float
    dense_gflops: float
    seconds: float  # of wall time for the batch
    dense_seconds: float


class TwoGraphs:
    """Both graphs in ONNX Runtime, with the gathering between them."""

    def __init__(self, folder: Path, step_mass: float, threads: int = 0) -> None:
        self.step_mass = step_mass
        self.look, self.read = (open_graph(folder / f"{name}.onnx", threads) for name in ("look", "read"))

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        return run_graph(self.read, self.gathered(inputs))

    def gathered(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The inputs of the second graph: only the selected steps."""
        scored = run_graph(self.look, inputs)
        made = {name: inputs[name] for name in ("text", "text_mask")}
        for modality in MODALITIES:
            mask = inputs[f"{modality}_mask"].numpy()
            parts = gather(scored[f"{modality}_maps"], scored[f"{modality}_scores"], mask, self.step_mass)
            names = (f"{modality}_maps", f"{modality}_mask", f"{modality}_gates", f"{modality}_place")
            made |= {name: torch.from_numpy(part) for name, part in zip(names, parts, strict=True)}
        return made


def export_two(network: Mme2eSparse, folder: Path) -> None:
    """Writes `look.onnx` and `read.onnx`."""
    sample = example(SPEC, network.config, batch=2, lengths=(3, 2))
    taken = {name: axes for name, axes in SPEC.dynamic_axes(network.config).items() if name in sample}
    step = {modality: {0: "row", 1: f"{modality}_step"} for modality in MODALITIES}
    scored = {name: step[name.split("_")[0]] for name in SCORING_OUTPUTS}
    write_graph(ScoringGraph(network), sample, SCORING_OUTPUTS, taken | scored, folder / "look.onnx")
    gathered = {name: sample[name] for name in ("text", "text_mask")}
    with torch.no_grad():
        found = dict(zip(SCORING_OUTPUTS, ScoringGraph(network)(**sample), strict=True))
    for modality in MODALITIES:
        mask = sample[f"{modality}_mask"]
        gathered |= {
            f"{modality}_maps": found[f"{modality}_maps"],
            f"{modality}_mask": mask,
            f"{modality}_gates": torch.ones(mask.shape),
            f"{modality}_place": torch.arange(mask.shape[1]).repeat(len(mask), 1),
        }
    axes = {name: step.get(name.split("_")[0], {0: "row"}) for name in gathered}
    axes |= {name: {0: "row"} for name in Outputs._fields}
    write_graph(ReadingGraph(network), gathered, Outputs._fields, axes, folder / "read.onnx")


def gather(
    maps: np.ndarray, scores: np.ndarray, mask: np.ndarray, mass: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The maps of the kept steps with their mask, gates and step numbers; rows that keep fewer are padded.

    This is `selection.top_mass` and `selection.gate` in NumPy; a test checks that both agree.
    """
    shifted = np.where(mask, scores, -np.inf)
    exponentials = np.exp(shifted - np.where(mask.any(1), shifted.max(1, initial=-np.inf), 0.0)[:, None])
    weights = exponentials / np.maximum(exponentials.sum(1, keepdims=True), 1e-9)
    ranked = -np.sort(-weights, axis=1)
    before = ranked.cumsum(1) - ranked
    least = np.where(before >= mass, 2.0, ranked).min(1, keepdims=True)
    keep = (weights >= least * (1 - EQUAL)) & mask
    kept = weights * keep
    gates = kept / np.maximum(kept.sum(1, keepdims=True), 1e-9) * keep.sum(1, keepdims=True)
    # Kept steps first, in their order; at least one step, because the graph needs one even if all are masked.
    place = np.argsort(~keep, axis=1, kind="stable")[:, : max(1, int(keep.sum(1).max()))]
    rows = np.arange(len(mask))[:, None]
    return maps[rows, place], keep[rows, place], gates[rows, place].astype(np.float32), place


def measure_saving(
    network: Mme2eSparse, inputs: Mapping[str, torch.Tensor], folder: Path, *, threads: int = 0, budget: float = 1.0
) -> SparsitySaving:
    """Runs the sparse graphs and a dense network of the same widths on these inputs; writes the graphs to `folder`."""
    dense = Mme2e(network.config)
    export(dense, DENSE, folder / "dense.onnx")
    export_two(network, folder)
    two = TwoGraphs(folder, network.config.step_mass, threads)
    gathered = two.gathered(inputs)
    session = open_graph(folder / "dense.onnx", threads)
    kept, total = (
        sum(float(given[f"{modality}_mask"].sum()) for modality in MODALITIES) for given in (gathered, inputs)
    )
    return SparsitySaving(
        kept_share=kept / total,
        gflops=(flops(ScoringGraph(network), inputs) + flops(ReadingGraph(network), gathered)) / 1e9,
        dense_gflops=flops(dense, inputs) / 1e9,
        seconds=seconds_per_call(lambda: two(inputs), budget=budget),
        dense_seconds=seconds_per_call(lambda: run_graph(session, inputs), budget=budget),
    )

"""The sparse network selects steps and sites, trains its attention, and saves operations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.contract import Targets
from services.trainer.networks.examples import PATTERNS, example, restrict
from services.trainer.networks.mme2e_sparse import SPEC, Mme2eSparse
from services.trainer.networks.selection import gate, top_mass
from services.trainer.networks.sparse_serving import TwoGraphs, export_two, gather, measure_saving
from tests.trainer.networks.tiny import TINY, update_statistics

CONFIG = TINY["mme2e-sparse"]


@pytest.fixture
def network() -> Mme2eSparse:
    torch.manual_seed(5)
    made = Mme2eSparse(CONFIG)
    update_statistics(made, example(SPEC, CONFIG, 8, (5, 3)))
    return made


@pytest.mark.parametrize(
    ("mass", "kept"),
    [(0.5, [True, False, False, False]), (0.55, [True, False, True, False]), (1.0, [True, True, True, False])],
)
def test_the_fewest_positions_that_reach_the_mass_are_kept(mass: float, kept: list[bool]) -> None:
    weights = torch.tensor([0.5, 0.125, 0.375, 0.0])
    active = torch.tensor([True, True, True, False])
    assert top_mass(weights, active, mass).tolist() == kept


def test_the_largest_weight_is_kept_for_any_mass() -> None:
    weights = torch.tensor([[0.3, 0.7], [0.0, 0.0]])
    active = torch.tensor([[True, True], [False, False]])
    assert top_mass(weights, active, 1e-6).tolist() == [[False, True], [False, False]]


def test_the_gate_has_mean_one_over_the_kept_positions() -> None:
    weights = torch.tensor([[0.5, 0.3, 0.2], [0.0, 0.0, 0.0]])
    keep = torch.tensor([[True, True, False], [False, False, False]])
    found = gate(weights, keep)
    assert found[0].sum() == pytest.approx(2)
    assert found[0, 2] == 0 and torch.equal(found[1], torch.zeros(3))


def test_the_attention_gets_a_gradient(network: Mme2eSparse) -> None:
    inputs = example(SPEC, CONFIG, 4, (4, 3))
    targets = Targets(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 2, 0]))
    network.train()
    # Without the entropy penalty, which has its own gradient to the attention.
    super(Mme2eSparse, network).loss(network(**inputs), targets, inputs).backward()
    for encoder in (network.voice, network.face):
        for stage in encoder.stages:
            for layer in (stage.attention.look, stage.attention.ask, stage.attention.weigh):
                assert layer.weight.grad.abs().max() > 0


def test_some_steps_and_sites_are_dropped(network: Mme2eSparse) -> None:
    outputs = network(**example(SPEC, CONFIG, 4, (9, 7)))
    for kept in (outputs.kept_steps, outputs.kept_sites):
        assert (kept > 0).all() and (kept < 1).all()


def test_numpy_and_torch_select_the_same_steps(network: Mme2eSparse) -> None:
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(6, 11, generator=generator)
    mask = torch.arange(11) < torch.tensor([11, 5, 1, 0, 8, 3])[:, None]
    keep, gates, _ = network.voice.select_steps(scores, mask)
    maps = np.arange(66, dtype=np.float32).reshape(6, 11)
    found, kept, weights, place = gather(maps, scores.numpy(), mask.numpy(), CONFIG.step_mass)
    assert kept.shape[1] == int(keep.sum(1).max())
    for row in range(6):
        assert place[row][kept[row]].tolist() == torch.nonzero(keep[row]).flatten().tolist()
        np.testing.assert_allclose(weights[row][kept[row]], gates[row][keep[row]].numpy(), rtol=1e-5)
        np.testing.assert_array_equal(found[row], maps[row][place[row]])


def test_the_two_graphs_agree_with_the_dense_form(network: Mme2eSparse, tmp_path: Path) -> None:
    export_two(network, tmp_path)
    two = TwoGraphs(tmp_path, CONFIG.step_mass, threads=1)
    for seed, (batch, lengths) in enumerate([(1, (7,)), (3, (9, 2, 0)), (7, (4, 6, 5)), (2, (0,))]):
        for pattern in PATTERNS:
            inputs = restrict(example(SPEC, CONFIG, batch, lengths, seed), [pattern])
            with torch.no_grad():
                ours = network(**inputs)
            theirs = two(inputs)
            for name in ("emotion_logits", "sentiment_logits", "embedding"):
                np.testing.assert_allclose(theirs[name], getattr(ours, name).numpy(), atol=1e-4)


def test_the_saving_is_measured(network: Mme2eSparse, tmp_path: Path) -> None:
    saving = measure_saving(network, example(SPEC, CONFIG, 1, (10,)), tmp_path, threads=1, budget=0.01)
    assert 0 < saving.kept_share < 1
    assert saving.gflops > 0
    assert saving.dense_gflops > 0
    assert saving.seconds > 0 and saving.dense_seconds > 0

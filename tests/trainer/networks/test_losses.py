"""Losses: what has no label costs nothing, margins and teachers are held still."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch
from torch.nn import functional

from services.trainer.networks.losses import (
    UNLABELLED,
    adaptive_triplet,
    covariance,
    cross_entropy,
    dual_head,
    m2fnet_extractor,
    self_distillation,
    variance,
)


def test_cross_entropy_is_torchs_mean_over_what_is_labelled() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 5, 7), torch.randint(7, (4, 5))
    labels[1, 2:] = UNLABELLED
    weights = torch.rand(7)
    for weight in (None, weights):
        expected = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), weight=weight, label_smoothing=0.1, ignore_index=UNLABELLED
        )
        torch.testing.assert_close(cross_entropy(logits, labels, smoothing=0.1, weights=weight), expected)


def test_nothing_labelled_costs_nothing() -> None:
    nothing = torch.full((3,), UNLABELLED)
    assert cross_entropy(torch.randn(3, 7), nothing) == 0
    emotion = torch.tensor([1, 2, 3])
    logits = torch.randn(3, 7)
    torch.testing.assert_close(
        dual_head(logits, torch.randn(3, 3), emotion, nothing, smoothing=0.05),
        cross_entropy(logits, emotion, smoothing=0.05),
    )


def test_the_adaptive_margin_is_held_still() -> None:
    """Differentiated as printed the margin fights the triplet; with the margin detached the classes separate."""
    torch.manual_seed(0)
    points = torch.randn(60, 8, requires_grad=True)
    labels = torch.arange(60) % 3
    optimiser = torch.optim.Adam([points], lr=0.05)
    for _ in range(300):
        order = torch.randperm(60)
        negative = torch.stack([order[labels[order] != label][0] for label in labels])
        positive = torch.stack([order[labels[order] == label][0] for label in labels])
        unit = functional.normalize(points)
        optimiser.zero_grad()
        adaptive_triplet(unit, unit[positive], unit[negative]).backward()
        optimiser.step()
    unit = functional.normalize(points.detach())
    apart = torch.cdist(unit, unit)
    same = labels[:, None] == labels
    assert apart[same].mean() < 0.1
    assert apart[~same].mean() > 1.5


def test_the_margin_of_equal_points_is_as_printed() -> None:
    """m = 1 + 2/exp(4 D(a,p)) + 1 + 2/exp(4 - 4 D(a,n)), all distances zero."""
    point = torch.zeros(1, 4)
    assert float(adaptive_triplet(point, point, point)) == pytest.approx(2 + 2 + 2 * math.exp(-4), abs=1e-4)


def test_variance_and_covariance_see_embeddings_before_they_are_scaled() -> None:
    torch.manual_seed(0)
    spread = torch.randn(4000, 6)
    assert abs(float(variance(spread))) < 0.05 and float(covariance(spread)) < 0.01
    same = torch.randn(4000, 1).expand(-1, 6)
    assert float(covariance(same)) == pytest.approx(5, rel=0.2)
    assert float(variance(torch.zeros(10, 6))) > 0.99
    parts = torch.randn(3, 50, 6)
    # Scaling every embedding leaves the triplet as it is: what changes is what sees them before.
    assert m2fnet_extractor(*parts) != m2fnet_extractor(*(5 * parts))


def test_the_teacher_learns_nothing_from_its_pupils() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(5, 7, requires_grad=True), torch.randn(5, 3, 7, requires_grad=True)
    nothing = torch.full((5,), UNLABELLED)
    self_distillation(fused, heads, torch.ones(5, 3, dtype=torch.bool), nothing, temperature=4.0).backward()
    assert fused.grad is None or not fused.grad.any()
    assert heads.grad is not None and heads.grad.any()


def test_a_head_learns_only_where_its_sense_is_there() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(4, 7), torch.randn(4, 3, 7, requires_grad=True)
    available = torch.tensor([[True, False, True]] * 3 + [[False, False, False]])
    self_distillation(fused, heads, available, torch.tensor([0, 1, 2, 3]), temperature=2.0).backward()
    assert heads.grad is not None
    learns = heads.grad.abs().sum(-1) > 0
    assert torch.equal(learns, available)


def test_the_slope_of_the_divergence_does_not_vanish_with_the_temperature() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(6, 7), torch.randn(6, 1, 7, requires_grad=True)
    nothing, there = torch.full((6,), UNLABELLED), torch.ones(6, 1, dtype=torch.bool)
    slopes = []
    for temperature in (4.0, 16.0):
        (slope,) = torch.autograd.grad(self_distillation(fused, heads, there, nothing, temperature=temperature), heads)
        slopes.append(float(slope.norm()))
    assert slopes[1] == pytest.approx(slopes[0], rel=0.2)

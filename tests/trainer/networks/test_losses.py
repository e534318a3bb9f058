"""Losses: unlabelled rows are ignored, and gradients do not pass through margins and teachers."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch
from torch.nn import functional

from services.trainer.networks.losses import (
    UNLABELLED,
    cross_entropy,
    dual_head,
    self_distillation,
)


def test_cross_entropy_equals_the_mean_of_torch_over_labelled_rows() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(4, 5, 7), torch.randint(7, (4, 5))
    labels[1, 2:] = UNLABELLED
    weights = torch.rand(7)
    for weight in (None, weights):
        expected = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), weight=weight, label_smoothing=0.1, ignore_index=UNLABELLED
        )
        torch.testing.assert_close(cross_entropy(logits, labels, smoothing=0.1, weights=weight), expected)


def test_the_loss_without_labels_is_zero() -> None:
    nothing = torch.full((3,), UNLABELLED)
    assert cross_entropy(torch.randn(3, 7), nothing) == 0
    emotion = torch.tensor([1, 2, 3])
    logits = torch.randn(3, 7)
    torch.testing.assert_close(
        dual_head(logits, torch.randn(3, 3), emotion, nothing, smoothing=0.05),
        cross_entropy(logits, emotion, smoothing=0.05),
    )


def test_the_teacher_gets_no_gradient_from_its_students() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(5, 7, requires_grad=True), torch.randn(5, 3, 7, requires_grad=True)
    nothing = torch.full((5,), UNLABELLED)
    self_distillation(fused, heads, torch.ones(5, 3, dtype=torch.bool), nothing, temperature=4.0).backward()
    assert fused.grad is None or not fused.grad.any()
    assert heads.grad is not None and heads.grad.any()


def test_a_head_learns_only_where_its_modality_is_available() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(4, 7), torch.randn(4, 3, 7, requires_grad=True)
    available = torch.tensor([[True, False, True]] * 3 + [[False, False, False]])
    self_distillation(fused, heads, available, torch.tensor([0, 1, 2, 3]), temperature=2.0).backward()
    assert heads.grad is not None
    learns = heads.grad.abs().sum(-1) > 0
    assert torch.equal(learns, available)


def test_the_gradient_of_the_divergence_does_not_vanish_at_high_temperatures() -> None:
    torch.manual_seed(0)
    fused, heads = torch.randn(6, 7), torch.randn(6, 1, 7, requires_grad=True)
    nothing, available = torch.full((6,), UNLABELLED), torch.ones(6, 1, dtype=torch.bool)
    gradients = []
    for temperature in (4.0, 16.0):
        loss = self_distillation(fused, heads, available, nothing, temperature=temperature)
        (gradient,) = torch.autograd.grad(loss, heads)
        gradients.append(float(gradient.norm()))
    assert gradients[1] == pytest.approx(gradients[0], rel=0.2)

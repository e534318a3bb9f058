"""Masked attention agrees with torch, and stays finite for fully masked rows."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.attention import Attention, EncoderLayer, sinusoids, step_numbers


def test_attention_agrees_with_torch() -> None:
    torch.manual_seed(0)
    ours = Attention(8, 2)
    plain = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        plain.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        plain.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.zeros(8), ours.value.bias]))
        plain.out_proj.weight.copy_(ours.out.weight)
        plain.out_proj.bias.copy_(ours.out.bias)
    query, key, value = torch.randn(3, 4, 8), torch.randn(3, 5, 8), torch.randn(3, 5, 8)
    mask = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    expected, _ = plain(query, key, value, key_padding_mask=~mask)
    torch.testing.assert_close(ours(query, key, value, mask), expected, atol=1e-5, rtol=1e-5)


def test_fully_masked_attention_is_finite_and_constant() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2)
    nothing = torch.zeros(1, 5, dtype=torch.bool)
    one, other = (attention(torch.randn(1, 2, 8), torch.randn(1, 5, 8), torch.randn(1, 5, 8), nothing) for _ in "ab")
    assert torch.equal(one, other)
    torch.testing.assert_close(one[0, 0], attention.out.bias)


def test_an_encoder_layer_ignores_masked_steps() -> None:
    torch.manual_seed(0)
    layer = EncoderLayer(8, 2, 16, 0.0)
    values = torch.randn(1, 4, 8)
    mask = torch.tensor([[True, True, False, False]])
    torch.testing.assert_close(layer(values, mask)[:, :2], layer(values[:, :2], mask[:, :2]), atol=1e-6, rtol=1e-5)


def test_every_step_has_a_distinct_position_encoding() -> None:
    found = sinusoids(step_numbers(torch.ones(1, 50, dtype=torch.bool)), 16)[0]
    apart = torch.cdist(found, found) + torch.eye(50)
    assert found.shape == (50, 16) and apart.min() > 0.1

"""Mask operations exclude masked values and keep at least one modality."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.masking import (
    MaskedBatchNorm,
    masked_mean,
    masked_mean_deviation,
    masked_softmax,
    modality_dropout,
    zero_masked,
)


def test_a_softmax_ignores_masked_scores_and_a_masked_row_is_zero() -> None:
    scores = torch.tensor([[1.0, 2.0, 50.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    found = masked_softmax(scores, mask)
    torch.testing.assert_close(found[0, :2], torch.softmax(torch.tensor([1.0, 2.0]), 0))
    assert found[0, 2] == 0 and torch.equal(found[1], torch.zeros(3))


def test_zero_masked_replaces_nan() -> None:
    values = torch.tensor([[[torch.nan, 1.0], [2.0, 3.0]]])
    assert zero_masked(values, torch.tensor([[False, True]])).tolist() == [[[0.0, 0.0], [2.0, 3.0]]]


def test_means_and_deviations_use_unmasked_values_only() -> None:
    values = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, True, False, False], [False] * 5])
    torch.testing.assert_close(masked_mean(values, mask)[0], values[0, :3].mean(0))
    found = masked_mean_deviation(values, mask)
    torch.testing.assert_close(found[0, 3:], values[0, :3].std(0, correction=0), atol=1e-5, rtol=1e-5)
    assert torch.isfinite(found).all() and (found[1].abs() <= 1e-3 + 1e-9).all()


def test_masked_batch_norm_equals_batch_norm_over_the_active_rows() -> None:
    values = torch.randn(6, 4, 3, 2, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([1.0, 1, 0, 1, 0, 1])[:, None, None, None]
    ours, plain = MaskedBatchNorm(4), torch.nn.BatchNorm2d(4)
    with torch.no_grad():
        for norm in (ours, plain):
            norm.weight.copy_(torch.tensor([1.0, 2, 3, 4]))
            norm.bias.copy_(torch.tensor([0.5, 1, 2, 3]))
    active = mask.flatten() > 0
    found = ours(values, mask)
    torch.testing.assert_close(found[active], plain(values[active]), atol=1e-5, rtol=1e-5)
    assert not found[~active].any(), "masked sites stay zero in spite of the bias"
    torch.testing.assert_close(ours.running_var, plain.running_var)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    ours.eval(), plain.eval()
    torch.testing.assert_close(ours(values, mask)[active], plain(values[active]), atol=1e-5, rtol=1e-5)


def test_a_fully_masked_batch_does_not_change_the_statistics() -> None:
    norm = MaskedBatchNorm(2)
    assert not norm(torch.randn(3, 2, 4, 4), torch.zeros(3, 1, 1, 1)).any()
    assert norm.running_mean.tolist() == [0, 0] and norm.running_var.tolist() == [1, 1]


@pytest.mark.parametrize("probability", [0.2, 0.9, 1.0])
@pytest.mark.parametrize("row_axes", [1, 2])
def test_dropout_keeps_at_least_one_modality(probability: float, row_axes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (50, 8)[:row_axes]
    masks = {
        "text": torch.rand(shape, generator=generator) < 0.7,
        "voice": torch.rand((*shape, 5), generator=generator) < 0.3,
        "face": torch.rand(shape, generator=generator) < 0.5,
    }
    kept = modality_dropout(masks, probability, row_axes=row_axes, generator=generator)

    def available(given: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.stack([given["text"], given["voice"].any(-1), given["face"]])

    assert torch.equal(available(kept).any(0), available(masks).any(0))
    assert not (available(kept) & ~available(masks)).any(), "absent modalities stay absent"
    assert available(kept).sum() < available(masks).sum()
    # A modality is dropped completely or not at all.
    stays = kept["voice"].any(-1)
    assert torch.equal(kept["voice"][stays], masks["voice"][stays])


def test_dropout_produces_every_availability_pattern() -> None:
    everything = {name: torch.ones(2000, dtype=torch.bool) for name in ("text", "voice", "face")}
    kept = modality_dropout(everything, 0.3, generator=torch.Generator().manual_seed(3))
    patterns = {tuple(row) for row in torch.stack(list(kept.values()), 1).tolist()}
    assert len(patterns) == 7 and (False, False, False) not in patterns

"""Stacking sees what a sense knows beyond its prior, and whether it is there."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.ensemble import SPEC, Ensemble
from services.trainer.networks.examples import example, restrict
from shared.domain.emotion import Modality
from tests.trainer.networks.tiny import PRIOR, TINY

CONFIG = TINY["ensemble"]


def test_a_network_that_repeats_its_prior_is_no_evidence() -> None:
    network = Ensemble(CONFIG).eval()
    inputs = restrict(example(SPEC, CONFIG, 2, (3,)), [{Modality.TEXT, Modality.VOICE}])
    inputs["text"] = torch.full((2, 7), 3.0)  # uniform, as its prior is
    network.voice.out.weight.data.zero_()
    network.voice.out.bias.data.copy_(torch.tensor(PRIOR).log())
    told = network(**inputs).embedding
    assert told[:, :21].abs().max() < 1e-5
    assert told[:, 21:].tolist() == [[1, 1, 0]] * 2


def test_no_sense_outshouts_the_others() -> None:
    network = Ensemble(CONFIG).eval()
    inputs = example(SPEC, CONFIG, 1, (3,)) | {"text": torch.tensor([[1e4, 0, 0, 0, 0, 0, 0]])}
    told = network(**inputs).embedding
    assert torch.isfinite(told).all() and told.abs().max() <= 6


def test_the_voice_is_read_up_to_its_last_window() -> None:
    torch.manual_seed(0)
    network = Ensemble(CONFIG).eval()
    inputs = example(SPEC, CONFIG, 2, (4, 2))
    whole = network(**inputs).voice_logits
    inputs["voice"], inputs["voice_mask"] = inputs["voice"][:, :2], inputs["voice_mask"][:, :2]
    short = network(**inputs).voice_logits
    torch.testing.assert_close(whole[1], short[1])
    assert not torch.allclose(whole[0], short[0])

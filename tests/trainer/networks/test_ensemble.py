"""The stacking ensemble uses the evidence of a modality beyond its prior, and its availability."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.ensemble import SPEC, Ensemble
from services.trainer.networks.examples import example, restrict
from shared.domain.emotion import Modality
from tests.trainer.networks.tiny import PRIOR, TINY

CONFIG = TINY["ensemble"]


def test_a_prediction_equal_to_the_prior_is_no_evidence() -> None:
    network = Ensemble(CONFIG).eval()
    inputs = restrict(example(SPEC, CONFIG, 2, (3,)), [{Modality.TEXT, Modality.VOICE}])
    inputs["text"] = torch.full((2, 7), 3.0)  # uniform, as its prior is
    network.voice.out.weight.data.zero_()
    network.voice.out.bias.data.copy_(torch.tensor(PRIOR).log())
    features = network(**inputs).embedding
    assert features[:, :21].abs().max() < 1e-5
    assert features[:, 21:].tolist() == [[1, 1, 0]] * 2


def test_the_evidence_of_a_modality_is_limited() -> None:
    network = Ensemble(CONFIG).eval()
    inputs = example(SPEC, CONFIG, 1, (3,)) | {"text": torch.tensor([[1e4, 0, 0, 0, 0, 0, 0]])}
    features = network(**inputs).embedding
    assert torch.isfinite(features).all() and features.abs().max() <= 6


def test_the_voice_is_read_up_to_its_last_window() -> None:
    torch.manual_seed(0)
    network = Ensemble(CONFIG).eval()
    inputs = example(SPEC, CONFIG, 2, (4, 2))
    whole = network(**inputs).voice_logits
    inputs["voice"], inputs["voice_mask"] = inputs["voice"][:, :2], inputs["voice_mask"][:, :2]
    short = network(**inputs).voice_logits
    torch.testing.assert_close(whole[1], short[1])
    assert not torch.allclose(whole[0], short[0])

"""M2FNet accepts faces as embeddings or action units, and masks absent modalities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.export import export, parity
from services.trainer.networks.examples import example, restrict
from services.trainer.networks.m2fnet import SPEC, M2fnet
from shared.domain.emotion import Modality
from tests.trainer.networks.tiny import TINY

CONFIG = TINY["m2fnet"]


def test_the_face_input_may_be_action_unit_statistics(tmp_path: Path) -> None:
    config = replace(CONFIG, face="action_units", unit_width=16)
    network = M2fnet(config)
    inputs = example(SPEC, config, 2, (4, 3))
    assert inputs["face"].shape == (2, 4, 68)
    network(**inputs).emotion_logits.sum().backward()
    assert all(tensor.grad is not None for tensor in network.face.inputs.parameters())
    export(network, SPEC, tmp_path / "units.onnx")
    assert parity(network, SPEC, tmp_path / "units.onnx") <= 1e-4


def test_a_modality_absent_from_the_dialogue_gives_the_absence_embedding() -> None:
    torch.manual_seed(0)
    network = M2fnet(CONFIG).eval()
    inputs = restrict(example(SPEC, CONFIG, 2, (5,)), [{Modality.TEXT, Modality.VOICE}])
    position = torch.zeros(1, 5, CONFIG.width)
    found = network.face(inputs["face"], inputs["face_mask"], position)
    assert torch.equal(found, network.face.absent.vector.expand_as(found))


def test_an_utterance_depends_on_its_neighbours() -> None:
    torch.manual_seed(0)
    network = M2fnet(CONFIG).eval()
    inputs = example(SPEC, CONFIG, 1, (4,))
    changed = inputs | {"text": inputs["text"].index_fill(1, torch.tensor([3]), 0.5)}
    one, other = network(**inputs).emotion_logits, network(**changed).emotion_logits
    assert not torch.allclose(one[0, 0], other[0, 0])

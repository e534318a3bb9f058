"""The registry and the network specifications."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.contract import REGISTRY, load
from services.trainer.networks.examples import PATTERNS, example, restrict
from shared.domain.emotion import Modality
from shared.domain.error import InvalidRequest
from tests.trainer.networks.tiny import TINY


def test_every_network_is_registered_under_its_own_name() -> None:
    assert set(TINY) == set(REGISTRY)
    for name in REGISTRY:
        assert load(name).name == name


def test_listing_the_networks_imports_none() -> None:
    script = (
        "import sys; from services.trainer.networks.contract import REGISTRY; "
        "print([module for module in REGISTRY.values() if module.split(':')[0] in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_error_for_an_unknown_network_lists_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="no network perceptron; there are late-fusion"):
        load("perceptron")


@pytest.mark.parametrize("name", REGISTRY)
def test_every_modality_has_a_mask_and_every_output_has_axes(name: str) -> None:
    spec = load(name)
    names = [tensor.name for tensor in spec.inputs(spec.config)]
    for modality in spec.modalities:
        assert names.index(f"{modality}_mask") == names.index(modality) + 1
    axes = spec.dynamic_axes(spec.config)
    assert set(axes) == {*names, *spec.outputs}
    assert axes["emotion_logits"] == ({0: "row"} if spec.kind == "utterance" else {0: "row", 1: "utterance"})


def test_there_are_seven_patterns() -> None:
    assert len(set(PATTERNS)) == 7 and frozenset() not in PATTERNS and frozenset(Modality) in PATTERNS


def test_examples_have_the_requested_lengths_and_are_reproducible() -> None:
    spec = load("late-fusion")
    one, other = (example(spec, TINY["late-fusion"], 3, (4, 0), seed=9) for _ in "ab")
    assert one["voice"].shape == (3, 8, 4)
    assert one["voice_mask"].sum(1).tolist() == [4, 0, 4] and one["text_mask"].tolist() == [True, False, True]
    assert all(torch.equal(one[name], other[name]) for name in one)
    usual = example(spec, spec.config, 1)
    assert usual["voice"].shape == (1, 64, 300) and usual["voice_mask"].all()


def test_restricting_changes_masks_and_no_values() -> None:
    spec = load("late-fusion")
    inputs = example(spec, TINY["late-fusion"], 2, (4,))
    found = restrict(inputs, [{Modality.TEXT}, {Modality.VOICE}])
    assert found["text_mask"].tolist() == [True, False]
    assert found["voice_mask"].any(1).tolist() == [False, True]
    assert not found["face_mask"].any()
    assert found["face"] is inputs["face"]

"""The networks have the sizes of the published designs."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.contract import load
from services.trainer.networks.late_fusion import AudioBranch, LateFusion, LateFusionConfig
from services.trainer.networks.m2fnet import M2fnet, M2fnetConfig
from services.trainer.networks.residual import ResNet
from services.trainer.networks.sdt import Sdt, SdtConfig


def size(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.parameters())


def test_late_fusion_has_the_released_size_with_the_known_differences() -> None:
    """350,666 parameters as released, with its audio convolutions."""
    dead = 64 + 128 + 256  # biases that a normalisation removes
    absent = 3 * 128  # learned vectors for absent modalities
    assert size(LateFusion(LateFusionConfig())) == 350_666 - dead + absent
    frozen = AudioBranch(LateFusionConfig())
    # 313,226 were trainable as released: all except the convolutions and their normalisations.
    convolutions = size(frozen.first) + size(frozen.second)
    assert size(LateFusion(LateFusionConfig())) - convolutions == 313_226 - 256 + absent


def test_resnet_has_the_size_and_names_of_the_public_weights() -> None:
    network = ResNet()
    assert size(network) == 11_689_512 - 513_000  # without the classifier over ImageNet
    names = network.state_dict()
    for name in ("conv1.weight", "bn1.running_mean", "layer1.0.bn2.bias", "layer4.1.conv2.weight"):
        assert name in names
    assert names["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert "layer3.0.downsample.1.running_var" in names and "layer1.0.downsample.0.weight" not in names
    assert len(names) == 120


def test_m2fnet_has_about_fifty_million_parameters_as_published_and_eight_million_here() -> None:
    assert size(M2fnet(M2fnetConfig())) == pytest.approx(8e6, rel=0.1)
    assert size(M2fnet(replace(M2fnetConfig(), width=768))) == pytest.approx(50e6, rel=0.1)


def test_sdt_has_seventy_to_eighty_million_parameters_as_published() -> None:
    assert 70e6 < size(Sdt(replace(SdtConfig(), width=1024))) < 80e6


@pytest.mark.parametrize(("name", "grids"), [("mme2e", {"voice": 8 * 2, "face": 3 * 3})])
def test_the_last_grids_have_the_published_sizes(name: str, grids: dict[str, int]) -> None:
    assert load(name).config.sites == grids

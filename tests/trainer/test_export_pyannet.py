"""The published segmentation network: its checkpoint is read without running code, and the export agrees with torch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import Tensor  # noqa: E402

from services.trainer.export_pyannet import (  # noqa: E402
    FILTERS,
    OUTPUTS,
    WIDTH,
    PyanNet,
    network_of,
    read_checkpoint,
    sample_inputs,
    sinc_filters,
)
from services.trainer.onnx import worst_difference, write_onnx  # noqa: E402
from shared.ports.media import SAMPLE_RATE  # noqa: E402


class Executed:
    """Fails when it is unpickled as itself."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __setstate__(self, state: object) -> None:
        raise AssertionError("the code of the checkpoint was run")


def run_code() -> None:
    raise AssertionError("the code of the checkpoint was run")


class Payload:
    def __reduce__(self) -> tuple[object, tuple[()]]:
        return run_code, ()


def published_state() -> dict[str, Tensor]:
    """Random weights under the names of the published checkpoint."""
    torch.manual_seed(0)
    state = PyanNet().state_dict()
    made = {name: value for name, value in state.items() if not name.startswith(("convolutions", "norms"))}
    made["sincnet.conv1d.0.filterbank.low_hz_"] = torch.linspace(0, 6000, FILTERS)[:, None]
    made["sincnet.conv1d.0.filterbank.band_hz_"] = torch.linspace(-100, 400, FILTERS)[:, None]
    for part in ("weight", "bias"):
        made[f"sincnet.wav_norm1d.{part}"] = state[f"norms.0.{part}"]
        for number in range(3):
            made[f"sincnet.norm1d.{number}.{part}"] = torch.randn_like(state[f"norms.{number + 1}.{part}"])
        for number in (1, 2):
            made[f"sincnet.conv1d.{number}.{part}"] = state[f"convolutions.{number}.{part}"]
    return made


def checkpoint(**parts: object) -> io.BytesIO:
    file = io.BytesIO()
    torch.save({"state_dict": published_state(), **parts}, file)
    file.seek(0)
    return file


def test_checkpoint_is_read_without_its_classes() -> None:
    state = read_checkpoint(checkpoint(hyper_parameters=Executed(1), callbacks=[Payload()]))
    expected = published_state()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], value) for name, value in expected.items())


def test_export_agrees_with_torch(tmp_path: Path) -> None:
    network = network_of(read_checkpoint(checkpoint()))
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_492_749
    write_onnx(network, next(sample_inputs()), OUTPUTS, tmp_path / "network.onnx")
    assert worst_difference(network, tmp_path / "network.onnx", sample_inputs()) <= 1e-4


def test_network_does_not_depend_on_the_level() -> None:
    network, sound = network_of(published_state()), torch.randn(2, 5 * SAMPLE_RATE)
    with torch.no_grad():
        (activity,) = network(sound)
        (quiet,) = network(0.1 * sound)
    assert activity.shape == (2, 293, 3)
    assert torch.allclose(activity, quiet, atol=1e-3)


def test_filters_pass_their_band_in_two_phases() -> None:
    low, band = torch.tensor([[950.0], [3950.0]]), torch.tensor([[150.0], [450.0]])
    kernels = sinc_filters(low, band)
    assert kernels.shape == (4, 1, WIDTH)
    response = np.abs(np.fft.rfft(kernels[:, 0].numpy(), SAMPLE_RATE))  # one bin for each hertz
    for kernel, (first, last) in enumerate([(1000, 1200), (4000, 4500)] * 2):
        assert first - 60 <= response[kernel].argmax() <= last + 60
        assert response[kernel, : first - 300].max() < 0.05 * response[kernel].max()
    cosine, sine = kernels[0, 0], kernels[2, 0]
    assert torch.allclose(cosine, cosine.flip(0), atol=1e-5)
    assert torch.allclose(sine, -sine.flip(0), atol=1e-5)

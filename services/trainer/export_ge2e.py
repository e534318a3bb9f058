"""Exports the GE2E speaker encoder of the Resemblyzer wheel to ONNX, with its card.

pip install --no-deps resemblyzer==0.1.4 onnx
python -m services.trainer.export_ge2e
"""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import torch

BUNDLED = Path(__file__).parents[2] / "shared" / "engines" / "bundled"
FRAMES, BANDS = 160, 40
COMMAND = "python -m services.trainer.export_ge2e"


class Ge2e(torch.nn.Module):
    """Three LSTM layers over power mel frames; the last hidden state is projected and scaled to unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(BANDS, 256, 3, batch_first=True)
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:  # (clip, frame, band) -> (clip, 256)
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))
        return raw / (raw.norm(dim=1, keepdim=True) + 1e-9)


def teacher() -> Ge2e:
    """The published encoder."""
    package = find_spec("resemblyzer")
    if package is None or package.origin is None:
        raise SystemExit("The resemblyzer wheel is not installed: pip install --no-deps resemblyzer==0.1.4")
    # Only the weights are read: the wheel's audio code imports a deprecated SciPy path.
    state = torch.load(Path(package.origin).with_name("pretrained.pt"), map_location="cpu", weights_only=True)[
        "model_state"
    ]
    network = Ge2e()
    network.eval()
    network.load_state_dict({name: value for name, value in state.items() if not name.startswith("similarity")})
    return network


def main() -> None:
    network = teacher()
    target = BUNDLED / "speaker_ge2e.onnx"
    torch.onnx.export(
        network,
        (torch.rand(2, FRAMES, BANDS),),
        str(target),
        input_names=["mels"],
        output_names=["embedding"],
        dynamic_axes={"mels": {0: "clip", 1: "frame"}, "embedding": {0: "clip"}},
        opset_version=17,
        dynamo=False,  # keeps the LSTM as one operator of ONNX Runtime
    )
    difference = parity(network, target)
    card = {
        "name": "speaker_ge2e",
        "slot": "speaker",
        "file": target.name,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "architecture": "GE2E: 3 LSTM of 256 over 40 power mel bands, linear 256, ReLU, unit length; 1.42 M parameters",
        "licence": "Apache-2.0",
        "commercial_use": True,
        "data": [
            {"name": "LibriSpeech train-other-500", "licence": "CC BY 4.0", "split": "as published with Resemblyzer"},
            {"name": "VoxCeleb 1 and 2", "licence": "CC BY 4.0", "split": "as published with Resemblyzer"},
        ],
        "metrics": {"export_max_abs_difference": difference},
        "limits": "Emotion changes its embeddings more than a change of speaker does.",
        "command": COMMAND,
        "made": "exported from the PyPI wheel resemblyzer 0.1.4",
    }
    target.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def parity(network: torch.nn.Module, exported: Path) -> float:
    """The largest difference between torch and ONNX Runtime over batches of several sizes and lengths."""
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    worst = 0.0
    for batch, frames in ((1, 160), (2, 80), (7, 160), (64, 120)):
        mels = generator.random((batch, frames, BANDS), dtype=np.float32)
        with torch.no_grad():
            ours = network(torch.from_numpy(mels)).numpy()
        worst = max(worst, float(np.abs(ours - session.run(None, {"mels": mels})[0]).max()))
    if worst > 1e-4:
        raise SystemExit(f"The export differs from torch by {worst}.")
    return worst


if __name__ == "__main__":
    main()

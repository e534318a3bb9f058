"""Weight-only int8 quantisation: a quarter of the size, nearly the same results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import Tensor, nn  # noqa: E402

from services.trainer.loop import seed_everything  # noqa: E402
from services.trainer.onnx import write_onnx  # noqa: E402
from services.trainer.quantise import quantise_weights  # noqa: E402
from shared.engines.runtime import open_session  # noqa: E402


class Reader(nn.Module):  # type: ignore[misc]  # torch is imported late, so its types are not known
    """A look-up and a matrix, as in a text network; one row of the table is far larger than the others."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.dense = nn.Embedding(500, 64), nn.Linear(64, 256)
        with torch.no_grad():
            self.words.weight[7] *= 1000

    def forward(self, ids: Tensor) -> tuple[Tensor]:
        return (self.dense(self.words(ids)),)


def test_quantisation_reduces_the_size_and_a_large_row_does_not_affect_others(tmp_path: Path) -> None:
    seed_everything(0)
    ids = np.arange(8, 40).reshape(4, 8)
    write_onnx(Reader().eval(), {"ids": ids}, {"answer": {0: "row"}}, tmp_path / "whole.onnx")
    quantise_weights(tmp_path / "whole.onnx", tmp_path / "small.onnx")
    whole, small = (
        open_session(tmp_path / name, 1).run(None, {"ids": ids})[0] for name in ("whole.onnx", "small.onnx")
    )
    assert (tmp_path / "small.onnx").stat().st_size < 0.3 * (tmp_path / "whole.onnx").stat().st_size
    assert 0 < np.abs(whole - small).max() < 0.02 * np.abs(whole).max()

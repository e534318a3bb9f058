from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.faces_cascade import Cascade
from shared.engines.faces_yunet import SIDE, STRIDES, YuNet, _decoded, _fitted
from shared.engines.settings import EngineSettings, MediaSettings


def test_missing_weights_have_a_fetch_hint(tmp_path: Path) -> None:
    setup = Setup(engines=EngineSettings(models_dir=tmp_path), media=MediaSettings())
    with pytest.raises(EngineUnavailable) as caught:
        YuNet.load(None, setup)
    assert caught.value.hint == "undertone models fetch yunet"


@pytest.mark.parametrize("engine", [YuNet, Cascade])
def test_unknown_option_is_rejected(engine: type[YuNet | Cascade], tmp_path: Path) -> None:
    setup = Setup(engines=EngineSettings(models_dir=tmp_path), media=MediaSettings())
    with pytest.raises(InvalidRequest):
        engine.load("large", setup)


@pytest.mark.parametrize("stride", STRIDES)
def test_cell_is_decoded_to_pixels(stride: int) -> None:
    """Centre = (cell + offset) x stride, size = exp(shape) x stride, score = sqrt(class x object)."""
    cells = (SIDE // stride) ** 2
    values = {
        f"{name}_{stride}": np.zeros((1, cells, n), np.float32)
        for name, n in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    row, column = 3, 5
    cell = row * (SIDE // stride) + column
    values[f"cls_{stride}"][0, cell], values[f"obj_{stride}"][0, cell] = 0.9, 0.9
    values[f"bbox_{stride}"][0, cell] = [0.5, 0.25, np.log(4), np.log(6)]
    values[f"kps_{stride}"][0, cell, :4] = [0, 0, 1, 1]
    expected = [(column + 0.5) * stride - 2 * stride, (row + 0.25) * stride - 3 * stride, 4 * stride, 6 * stride]
    np.testing.assert_allclose(_decoded(values, stride), [[*expected, 0.9, np.pi / 4]], rtol=1e-5)


def test_frame_is_fitted_as_bgr_with_its_aspect_ratio() -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, :, 0] = 200
    square, scale = _fitted(pixels)
    assert scale == SIDE / 200
    assert square.shape == (1, 3, SIDE, SIDE)
    assert (square[0, 2, :320] == 200).all()
    assert square[0, :2].max() == 0
    assert square[0, :, 320:].max() == 0

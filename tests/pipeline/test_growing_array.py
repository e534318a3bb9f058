from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.pipeline.artifacts import FACE
from shared.pipeline.growing_array import GrowingArray


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_appended_rows_are_read_memory_mapped(tmp_path: Path, rows: int) -> None:
    written = np.random.default_rng(0).integers(0, 255, (rows, 4, 4)).astype(np.uint8)
    with GrowingArray(tmp_path / "a.npy", np.uint8, (4, 4)) as array:
        for row in written:
            array.append(row)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), written)


def test_structured_rows_round_trip(tmp_path: Path) -> None:
    with GrowingArray(tmp_path / "a.npy", FACE) as array:
        array.append(np.array((1.5, 3, 0, 0, 10, 12, 0.9, 100, np.nan), FACE))
    read = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert read.dtype == FACE
    assert (read["time"][0], read["track"][0]) == (1.5, 3)

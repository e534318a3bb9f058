"""An array on disk that grows row by row, so that long recordings use disk instead of memory."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy


class GrowingArray:
    """Writes a .npy file; the number of rows is written to the header at the end of the block."""

    def __init__(self, path: Path, dtype: npt.DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self.rows = 0

    def append(self, row: npt.ArrayLike) -> None:
        self._file.write(np.asarray(row, dtype=self._dtype).reshape(self._row_shape).tobytes())
        self.rows += 1

    def __enter__(self) -> Self:
        self._write_header()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        # The header is padded for a longer first axis, so both headers have the same length.
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False}
        npy.write_array_header_1_0(self._file, header | {"shape": (self.rows, *self._row_shape)})

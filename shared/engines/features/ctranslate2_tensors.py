"""Reads single tensors from a model file of CTranslate2, whose library does not return them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from shared.domain.error import EngineUnavailable
from shared.ports.media import Floats

FORMAT = 6
TYPES = ("<f4", "i1", "<i2", "<i4", "<f2")  # by CTranslate2's number of the data type


def read_tensors(path: Path, prefixes: tuple[str, ...]) -> dict[str, Floats]:
    """The tensors whose names start with one of the prefixes, as float32."""
    stored: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        if _number(file, "I") != FORMAT:
            raise EngineUnavailable(
                f"{path.name} is not a model in version {FORMAT} of CTranslate2's format.",
                hint="Convert the model again with ct2-transformers-converter.",
            )
        _text(file)  # the architecture
        _number(file, "I")  # its revision
        for _ in range(_number(file, "I")):
            name = _text(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind, size = TYPES[_number(file, "B")], _number(file, "I")
            if name.startswith(prefixes):
                stored[name] = np.frombuffer(file.read(size), kind).reshape(shape)
            else:
                file.seek(size, 1)
    return {name: _dequantised(name, stored) for name in stored if not name.endswith("_scale")}


def _dequantised(name: str, stored: Mapping[str, np.ndarray]) -> Floats:
    values = stored[name].astype(np.float32)
    scale = stored.get(f"{name}_scale")
    return values if scale is None else values / scale.reshape(-1, *[1] * (values.ndim - 1))


def _number(file: BinaryIO, kind: str) -> int:
    found: int = struct.unpack(f"<{kind}", file.read(struct.calcsize(kind)))[0]
    return found


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()

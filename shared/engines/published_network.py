"""ONNX networks that other projects publish: their shapes and their metadata are checked when they are opened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.runtime import open_session
from shared.engines.weights.description import find_weights
from shared.engines.weights.installed import require_weights
from shared.ports.media import Floats

Shape = tuple[int | None, ...]  # None: a dimension of any size


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """A network with one input and one output, and the metadata that its publisher wrote into the file."""

    path: Path
    engine: str
    session: Any
    metadata: Mapping[str, str]
    fingerprint: str

    @classmethod
    def open(cls, engine: str, option: str | None, setup: Setup) -> Self:
        """Open the file that the option names, or else the fetched weights of the engine."""
        if option is None:
            weights = find_weights(engine)
            (file,) = weights.files
            path = require_weights(weights, setup.engines) / file.path
        elif "/" not in option:  # options in requests of clients contain no slash, so they never name a file
            raise InvalidRequest(
                f"{engine} has no option {option!r}; a file is named with its folder, as in ./{option}."
            )
        else:
            path = Path(option).expanduser()
        if not path.is_file():
            raise EngineUnavailable(f"There is no file {str(path)!r}.", hint=f"undertone models fetch {engine}")
        try:
            session = open_session(path, setup.threads)
        except Exception as error:  # ONNX Runtime has a class for each of its states, and no common base
            raise _unusable(path, engine, f"ONNX Runtime cannot open it ({type(error).__name__})") from error
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(path, engine, session, session.get_modelmeta().custom_metadata_map, sha256[:16])

    def check_shapes(self, given: Shape, returned: Shape) -> None:
        """Refuse a network whose input or output has another shape; a dimension without a fixed size fits any."""
        for what, expected, found in (
            ("input", given, self.session.get_inputs()),
            ("output", returned, self.session.get_outputs()),
        ):
            if len(found) != 1:
                raise self.unusable(f"it has {len(found)} {what}s instead of one")
            (one,) = found
            if one.type != "tensor(float)" or not _fits(one.shape, expected):
                raise self.unusable(f"its {what} is {one.type} {one.shape} instead of tensor(float) {_shown(expected)}")

    def check_metadata(self, expected: Mapping[str, object]) -> None:
        for key, value in expected.items():
            found = self.metadata.get(key)
            if found != str(value):
                raise self.unusable(f"its metadata has {key}={found!r} instead of {str(value)!r}")

    def number(self, key: str) -> int:
        found = self.metadata.get(key, "")
        if not found.isdecimal():
            raise self.unusable(f"its metadata has no number {key}")
        return int(found)

    def run(self, values: Floats) -> Floats:
        (given,) = self.session.get_inputs()
        return np.asarray(self.session.run(None, {given.name: values})[0])

    def unusable(self, reason: str) -> EngineUnavailable:
        return _unusable(self.path, self.engine, reason)


def _unusable(path: Path, engine: str, reason: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"{path.name} is not a network for {engine}: {reason}.", hint=f"undertone models fetch {engine}"
    )


def _fits(found: list[int | str | None], expected: Shape) -> bool:
    return len(found) == len(expected) and all(
        not isinstance(size, int) or size == wanted for size, wanted in zip(found, expected, strict=True)
    )


def _shown(shape: Shape) -> str:
    return f"[{', '.join('any' if size is None else str(size) for size in shape)}]"

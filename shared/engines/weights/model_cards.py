"""Model cards of the bundled weights: training data, licence and metrics of a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from shared.domain.emotion import Modality
from shared.domain.error import EngineUnavailable
from shared.domain.value import Value
from shared.engines.settings import EngineSettings
from shared.ports.engines import Calibration

BUNDLED = Path(__file__).parents[1] / "bundled"
FUSION = "fusion_loglinear"  # parameters, not weights: they have no card


class DataUse(Value):
    name: str
    licence: str
    split: str


class DataFile(Value):
    """A file that a network needs besides its weights."""

    file: str  # relative to the folder of the cards
    sha256: str


class Card(Value):
    name: str
    slot: str
    file: str
    sha256: str
    vocabulary: DataFile | None = None
    architecture: str
    licence: str
    commercial_use: bool
    data: tuple[DataUse, ...]
    labels: tuple[str, ...] = ()
    metrics: dict[str, Any]
    limits: str
    calibration: Calibration = Calibration()
    fusion_weight: float | None = None  # replaces the modality's weight in the log-linear fusion
    # Fingerprints of the engines whose output a fusion network was trained on.
    engines: dict[Modality, str] = Field(default_factory=dict)
    command: str
    made: str

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield every required file with its hash."""
        yield self.file, self.sha256
        if self.vocabulary:
            yield self.vocabulary.file, self.vocabulary.sha256

    @property
    def fingerprint(self) -> str:
        """A hash that changes with the files and the calibration."""
        hashes = " ".join(sha256 for _, sha256 in self.files())
        return hashlib.sha256(f"{hashes} {self.calibration.model_dump_json()}".encode()).hexdigest()[:16]


def list_cards() -> tuple[Card, ...]:
    return tuple(load_card(path.stem) for path in sorted(BUNDLED.glob("*.json")) if path.stem != FUSION)


def load_card(name: str, folder: Path = BUNDLED) -> Card:
    return Card.model_validate_json((folder / f"{name}.json").read_bytes())


def trusted_weights(name: str, settings: EngineSettings, folder: Path = BUNDLED) -> tuple[Path, Card]:
    """Return the path of the weights after checking their hash and licence."""
    card = load_card(name, folder)
    path = folder / card.file
    if settings.commercial_only and not card.commercial_use:
        raise EngineUnavailable(
            f"The weights {name!r} may not be used commercially, and ENGINES__COMMERCIAL_ONLY is set.",
            hint="Unset ENGINES__COMMERCIAL_ONLY, or leave this modality out with --modalities.",
        )
    for file, sha256 in card.files():
        if not (folder / file).is_file():
            raise EngineUnavailable(f"The weights {file} are missing from this installation.", hint="make install")
        if hashlib.sha256((folder / file).read_bytes()).hexdigest() != sha256:
            raise EngineUnavailable(
                f"The weights {file} do not match the hash in their card.",
                hint="git checkout -- shared/engines/bundled" if folder == BUNDLED else "Export the run again.",
            )
    return path, card

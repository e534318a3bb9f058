"""The cards of the bundled weights: what a network learnt from, under which licence, and how well it does."""

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

BUNDLED = Path(__file__).parent / "bundled"
FUSION = "fusion_loglinear"  # parameters, not weights: they have no card


class DataUse(Value):
    name: str
    licence: str
    split: str


class DataFile(Value):
    """What a network cannot be read without, beside its weights."""

    file: str  # as seen from the folder of cards
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
    # The fingerprints of the engines whose words a fusion network learnt to read.
    engines: dict[Modality, str] = Field(default_factory=dict)
    command: str
    made: str

    def files(self) -> Iterator[tuple[str, str]]:
        """All that must be there, with its hash."""
        yield self.file, self.sha256
        if self.vocabulary:
            yield self.vocabulary.file, self.vocabulary.sha256

    @property
    def fingerprint(self) -> str:
        """Changes with the weights and with the way they are read."""
        hashes = " ".join(sha256 for _, sha256 in self.files())
        return hashlib.sha256(f"{hashes} {self.calibration.model_dump_json()}".encode()).hexdigest()[:16]


def list_cards() -> tuple[Card, ...]:
    return tuple(load_card(path.stem) for path in sorted(BUNDLED.glob("*.json")) if path.stem != FUSION)


def load_card(name: str, folder: Path = BUNDLED) -> Card:
    return Card.model_validate_json((folder / f"{name}.json").read_bytes())


def trusted_weights(name: str, settings: EngineSettings, folder: Path = BUNDLED) -> tuple[Path, Card]:
    """The weights' path, once their hash and their licence have been checked."""
    card = load_card(name, folder)
    path = folder / card.file
    if settings.commercial_only and not card.commercial_use:
        raise EngineUnavailable(
            f"The weights {name!r} may not be used commercially, and ENGINES__COMMERCIAL_ONLY refuses such weights.",
            hint="Unset ENGINES__COMMERCIAL_ONLY, or leave this sense out with --modalities.",
        )
    for file, sha256 in card.files():
        if not (folder / file).is_file():
            raise EngineUnavailable(f"The weights {file} are missing from this installation.", hint="make install")
        if hashlib.sha256((folder / file).read_bytes()).hexdigest() != sha256:
            raise EngineUnavailable(
                f"The weights {file} are not those of their card.",
                hint="git checkout -- shared/engines/bundled" if folder == BUNDLED else "Export the run again.",
            )
    return path, card

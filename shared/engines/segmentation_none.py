"""No segmentation: turns keep the edges that the speech detector gave them, and a moment has one speaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shared.engines.catalog import Setup


@dataclass(frozen=True, slots=True)
class NoSegmentation:
    """Stands for the absence of an engine, so that choosing it is a choice and doctor can say so; it has no method."""

    name: ClassVar[str] = "none"
    fingerprint: ClassVar[str] = "none"
    note: ClassVar[str] = "Where two people talk at once in one mix, one of them gets the words."

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> NoSegmentation:
        return cls()

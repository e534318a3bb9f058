"""No segmentation: turns keep the boundaries from the speech detector, without overlapping speakers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shared.engines.catalog import Setup


@dataclass(frozen=True, slots=True)
class NoSegmentation:
    """Placeholder without methods, so that no segmentation can be selected and shown by doctor."""

    name: ClassVar[str] = "none"
    fingerprint: ClassVar[str] = "none"
    note: ClassVar[str] = "If two people in one mix talk at the same time, all words are assigned to one of them."

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> NoSegmentation:
        return cls()

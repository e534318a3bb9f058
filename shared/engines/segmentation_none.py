"""No segmentation: turns keep the boundaries from the speech detector, without overlapping speakers."""

from __future__ import annotations

from typing import ClassVar

from shared.engines.catalog import Setup


class NoSegmentation:
    """The choice of no segmenter, so that it can be requested and is shown by doctor."""

    name: ClassVar[str] = "none"
    note: ClassVar[str] = "If two people in one mix talk at the same time, all words are assigned to one of them."

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> None:
        """There is no engine to load."""

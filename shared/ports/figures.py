"""Where the figures of operation come from."""

from __future__ import annotations

from typing import Protocol

from shared.domain.figures import Figures


class FigureSource(Protocol):
    def read(self) -> Figures:
        """As of now; whoever asks often remembers the answer for a while."""
        ...

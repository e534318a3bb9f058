"""Where the figures of operation come from."""

from __future__ import annotations

from typing import Protocol

from shared.domain.metrics import ServiceMetrics


class MetricsSource(Protocol):
    def read(self) -> ServiceMetrics:
        """As of now; whoever asks often remembers the answer for a while."""
        ...

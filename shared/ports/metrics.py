"""Port for the service metrics."""

from __future__ import annotations

from typing import Protocol

from shared.domain.metrics import ServiceMetrics


class MetricsSource(Protocol):
    def read(self) -> ServiceMetrics: ...

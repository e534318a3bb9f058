"""The time limit of one attempt at a stage: by the recording's duration, and never above the queue's limit."""

from __future__ import annotations

from shared.domain.stage_plan import StageSpec

BASE = 600.0  # seconds for loading models and transferring files
MARGIN = 120.0  # Celery's limits are a backstop and apply later than ours


def max_attempt_seconds(spec: StageSpec, duration: float | None, *, max_seconds: float) -> float:
    """`duration` is None before the recording is decoded; decoding has its own limits."""
    ceiling = max(1.0, max_seconds - MARGIN)
    return ceiling if duration is None else min(ceiling, BASE + spec.time_factor * duration)

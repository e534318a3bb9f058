"""The time limit of one attempt at a stage: by the recording's duration, and never above the queue's limit."""

from __future__ import annotations

BASE = 600.0  # seconds for loading models and transferring files
MARGIN = 120.0  # Celery's limits are a backstop and apply later than ours
# Seconds of work for each second of recording, on a slow processor; several times the measured values.
FACTOR = {
    "detect_speech": 1.0,
    "transcribe": 8.0,
    "diarize": 2.0,
    "track_faces": 4.0,
    "read_emotions": 2.0,
    "caption": 6.0,
}


def max_attempt_seconds(stage: str, duration: float | None, *, max_seconds: float) -> float:
    """`duration` is None before the recording is decoded; decoding has its own limits."""
    ceiling = max(1.0, max_seconds - MARGIN)
    return ceiling if duration is None else min(ceiling, BASE + FACTOR.get(stage, 0.0) * duration)

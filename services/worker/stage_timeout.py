"""How long an attempt at a stage may take: by the recording's duration, and never longer than the queue allows."""

from __future__ import annotations

BASE = 600.0  # seconds: to open models, and to move files
MARGIN = 120.0  # Celery's own limits are a backstop and come later than ours
# Seconds of work for each second of recording, on a slow processor; several times what is measured.
FACTOR = {
    "detect_speech": 1.0,
    "transcribe": 8.0,
    "diarize": 2.0,
    "track_faces": 4.0,
    "read_emotions": 2.0,
    "caption": 6.0,
}


def max_attempt_seconds(stage: str, duration: float | None, *, max_seconds: float) -> float:
    """`duration` is None where the recording has not been measured yet: decoding has limits of its own."""
    ceiling = max(1.0, max_seconds - MARGIN)
    return ceiling if duration is None else min(ceiling, BASE + FACTOR.get(stage, 0.0) * duration)

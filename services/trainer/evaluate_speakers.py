"""Measures how well the configured speaker encoder separates speakers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.trainer.datasets.voices import SOUNDS, load_sound
from shared.domain.error import InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import SPEAKER, VAD, Setup, choose
from shared.ports.engines import SpeakerEncoder, SpeechDetector
from shared.ports.media import Audio, Floats, Progress

WINDOW, HOP = 1.6, 0.4  # seconds


def evaluate_speakers(data: Path, engine: str | None, setup: Setup, progress: Progress) -> dict[str, Any]:
    """The equal error rate over all pairs of files; the data have one folder per speaker."""
    files = [
        (folder.name, path)
        for folder in sorted(data.iterdir() if data.is_dir() else ())
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SOUNDS
    ]
    speakers = np.array([speaker for speaker, _ in files])
    if len(set(speakers)) < 2 or len(set(speakers)) == len(files):
        raise InvalidRequest(
            f"{str(data)!r} needs one folder per speaker, two speakers or more, one of them with two files or more."
        )
    encoder = choose(SPEAKER, engine, setup)
    detector = choose(VAD, None, setup)
    rows = []
    for number, (_, path) in enumerate(files):
        rows.append(voice_of(encoder, detector, load_sound(path)))
        progress((number + 1) / len(files))
    voices = np.stack(rows)
    one, other = np.triu_indices(len(files), k=1)
    similarity = np.einsum("ij,ij->i", voices[one], voices[other])
    same = speakers[one] == speakers[other]
    eer, threshold = equal_error_rate(similarity[same], similarity[~same])
    return {
        "engine": encoder.name, "eer": round(eer, 4), "threshold": round(threshold, 4),
        "speakers": len(set(speakers)), "files": len(files), "same_pairs": int(same.sum()),
        "different_pairs": int((~same).sum()),
    }  # fmt: skip


def voice_of(encoder: SpeakerEncoder, detector: SpeechDetector, sound: Floats) -> Floats:
    """One unit vector per file: the mean over windows of its speech, or of the whole file if no speech is detected."""
    audio = Audio(sound)
    speech = detector.detect(audio, lambda _: None) or [Span(start=0.0, end=audio.duration)]
    clips = [np.asarray(audio.cut(window).samples) for span in speech for window in windows(span)]
    mean = np.concatenate([encoder.embed([clip]) for clip in clips]).mean(axis=0)  # one call would pad short clips
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))


def windows(span: Span) -> Iterator[Span]:
    """Windows of at most `WINDOW` seconds that cover the span."""
    count = max(1, round((span.duration - WINDOW) / HOP) + 1)
    for number in range(count):
        start = span.start + number * max(0.0, span.duration - WINDOW) / max(1, count - 1)
        yield Span(start=start, end=min(span.end, start + WINDOW))


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """The rate at which false rejections equal false acceptances, and its similarity threshold."""
    thresholds = np.unique(np.concatenate([same, different]))
    rejected = np.searchsorted(np.sort(same), thresholds, side="left") / len(same)
    accepted = 1 - np.searchsorted(np.sort(different), thresholds, side="left") / len(different)
    at = int(np.abs(rejected - accepted).argmin())
    return float((rejected[at] + accepted[at]) / 2), float(thresholds[at])

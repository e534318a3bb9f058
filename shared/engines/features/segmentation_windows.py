"""Runs a segmentation network on the overlapping windows of a recording that contain speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain.span import Span
from shared.ports.engines import LocalSpeakers, Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

BATCH = 8  # windows

Network = Callable[[Floats], Floats]  # (window, sample) to (window, frame, voice), probabilities


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows and frames of a network, in samples."""

    length: int
    hop: int  # from one window to the next, whole frames
    step: int  # from one frame to the next
    field: int  # samples that one frame covers; its time is the middle of them

    def with_speech(self, audio: Audio, speech: Sequence[Span]) -> list[int]:
        """The first samples, multiples of the step, of the windows; the last window ends with the recording."""
        if len(audio.samples) < self.field:
            return []
        last = max(0, len(audio.samples) - self.length) // self.step * self.step
        found: list[int] = []
        upcoming = 0
        for start in [*range(0, last, self.hop), last]:
            begin, end = (audio.start + at / SAMPLE_RATE for at in (start, start + self.length))
            while upcoming < len(speech) and speech[upcoming].end <= begin:
                upcoming += 1
            if upcoming < len(speech) and speech[upcoming].start < end:
                found.append(start)
        return found

    def segment(self, network: Network, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        starts = self.with_speech(audio, speech)
        windows: list[LocalSpeakers] = []
        for first in range(0, len(starts), BATCH):
            batch = starts[first : first + BATCH]
            active = network(np.stack([audio.samples[start : start + self.length] for start in batch]))
            windows += [LocalSpeakers(start // self.step, one) for start, one in zip(batch, active, strict=True)]
            audio.release()
            progress(min(1.0, (first + BATCH) / len(starts)))
        edge = (self.field - self.step) // 2
        return Segmentation(audio.start + edge / SAMPLE_RATE, self.step / SAMPLE_RATE, tuple(windows))

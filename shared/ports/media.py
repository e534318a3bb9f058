"""Port for the media decoder: audio as a file of samples, and a stream of video frames."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.domain.recording import Probe
from shared.domain.span import Span

Floats: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]
# Called with the completed share, 0 to 1.
Progress: TypeAlias = Callable[[float], None]

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono audio at 16 kHz; `samples` is memory-mapped, so that long recordings use disk instead of memory."""

    samples: Floats  # (sample,), -1 to 1
    start: float = 0.0  # start of this piece in the recording, in seconds

    @property
    def duration(self) -> float:
        return len(self.samples) / SAMPLE_RATE

    def cut(self, span: Span) -> Audio:
        """The piece inside `span` (seconds of the recording), as a view."""
        first = max(0, round((span.start - self.start) * SAMPLE_RATE))
        last = max(first, round((span.end - self.start) * SAMPLE_RATE))
        return Audio(self.samples[first:last], start=self.start + first / SAMPLE_RATE)

    def release(self) -> None:
        """Free the memory of samples that were read; they stay readable from disk.

        Pages of a mapped file count as this process's memory once touched: call this between blocks of a long pass.
        """
        base = self.samples.base
        while isinstance(base, np.ndarray):
            base = base.base
        if isinstance(base, mmap.mmap):
            base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, slots=True)
class Frame:
    """One sampled picture of the recording."""

    time: float
    pixels: Bytes  # (row, column, 3), red green blue


@dataclass(frozen=True, slots=True)
class TrackFile:
    """The file of one participant's track; `start` is in seconds after the beginning of the recording."""

    name: str
    path: Path
    start: float = 0.0


class MediaDecoder(Protocol):
    """Decodes media files; durations are measured while decoding, never read from a header."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[TrackFile],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        """Write `into`/mix.f32 and one `into`/track-N.f32 per track: raw little-endian float32, mono, 16 kHz.

        Every file begins with the recording.
        """
        ...

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        """Frames inside the given spans, in order, scaled down to `longest_side`."""
        ...

"""Sound out of a recording: 16 kHz mono samples in a file, counted as they come and placed where their clock says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import numpy as np

from shared.domain.error import DecodeFailed, MediaTooLarge, NoAudio
from shared.engines.decoder_open import MEND, opened, packets, recording_start
from shared.engines.settings import MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats, Progress

SMALLEST_GAP = 0.1  # seconds; smaller steps of the clock are jitter
LONGEST_GAP = 900.0  # seconds; a longer one is a broken clock, not a silence


class _Writer:
    """Writes blocks of samples behind each other, with silence where the recording's clock has a hole."""

    def __init__(self, mix: Path, channels_into: Path | None, cap: float) -> None:
        self.samples = 0
        self._mix = mix.open("wb")
        self._channels_into = channels_into
        self._channels: list[BinaryIO] = []
        self._cap = round(cap * SAMPLE_RATE)

    @property
    def channels(self) -> int:
        return len(self._channels)

    def write(self, planes: Floats) -> None:  # (channel, sample)
        self.samples += planes.shape[1]
        if self.samples > self._cap:
            raise MediaTooLarge(
                f"The recording is longer than {self._cap / SAMPLE_RATE / 3600:g} hours.",
                mend="Cut it, or raise MEDIA__MAX_SECONDS.",
            )
        self._mix.write(planes.mean(axis=0, dtype=np.float32).astype("<f4").tobytes())
        if self._channels_into is not None:
            if not self._channels:
                names = (self._channels_into / f"track-{number}.f32" for number in range(len(planes)))
                self._channels = [name.open("wb") for name in names]
            for file, plane in zip(self._channels, planes, strict=True):
                file.write(plane.astype("<f4").tobytes())

    def silence_until(self, sample: int, channels: int) -> None:
        while self.samples < sample:
            self.write(np.zeros((channels, min(sample - self.samples, SAMPLE_RATE)), dtype=np.float32))

    def close(self) -> None:
        for file in (self._mix, *self._channels):
            file.close()


def decode_sound(
    name: str, mix: Path, settings: MediaSettings, *, channels_into: Path | None, progress: Progress
) -> dict[str, Any]:
    """Decode one file's sound and tell what it is, in the words of Probe."""
    with opened(name, settings) as container:
        # The first or default stream: programs that write several put the mix first.
        stream = container.streams.best("audio")
        if stream is None:
            raise NoAudio("The recording has no sound.", mend="Export it together with its audio.")
        writer = _Writer(mix, channels_into, settings.max_seconds)
        try:
            broken_clock = _pour(container, stream, writer, progress)
        finally:
            writer.close()
        if writer.samples == 0:
            raise DecodeFailed("No sound could be decoded from the recording.", mend=MEND)
        duration = writer.samples / SAMPLE_RATE
        return {
            "duration": duration,
            "sample_rate": SAMPLE_RATE,
            "container": container.format.name,
            "audio_codec": stream.codec_context.name,
            "video": _video(container),
            "tracks": [{"name": f"channel {n + 1}", "seconds": duration} for n in range(writer.channels)],
            "warnings": _warnings(container, duration, broken_clock=broken_clock),
        }


def _pour(container: av.container.InputContainer, stream: Any, writer: _Writer, progress: Progress) -> bool:
    """Everything the stream holds, into the writer; True if its clock had to be ignored."""
    start, expected = recording_start(container), _promised(container)
    resampler: av.AudioResampler | None = None
    offset, told, broken_clock = 0, 0.0, False
    for frames in packets(container, stream):
        for frame in frames:
            channels = len(frame.layout.channels)
            if resampler is None:
                resampler = av.AudioResampler(format="fltp", layout=frame.layout.name, rate=SAMPLE_RATE)
            if frame.time is not None:
                due = round((frame.time - start) * SAMPLE_RATE) - offset
                gap = due - writer.samples
                if gap > LONGEST_GAP * SAMPLE_RATE:
                    offset, broken_clock = offset + gap, True
                elif gap > SMALLEST_GAP * SAMPLE_RATE:
                    writer.silence_until(due, channels)
            frame.pts = None  # the resampler would answer a hole in the clock with its own guess
            for block in resampler.resample(frame):
                writer.write(block.to_ndarray().astype(np.float32, copy=False))
        if expected and (share := min(1.0, writer.samples / SAMPLE_RATE / expected)) >= told + 0.01:
            told = share
            progress(share)
    for block in resampler.resample(None) if resampler else ():
        writer.write(block.to_ndarray().astype(np.float32, copy=False))
    return broken_clock


def _promised(container: av.container.InputContainer) -> float | None:
    """What the header says; good for a progress bar and for noticing a loss, for nothing else."""
    return container.duration / av.time_base if container.duration else None


def _video(container: av.container.InputContainer) -> dict[str, Any] | None:
    for stream in container.streams.video:
        cover = av.stream.Disposition.attached_pic in stream.disposition  # a picture of an album is no video
        rate = stream.average_rate or stream.guessed_rate
        if not cover and rate and stream.width and stream.height:
            return {"width": stream.width, "height": stream.height, "frames_per_second": float(rate)}
    return None


def _warnings(container: av.container.InputContainer, duration: float, *, broken_clock: bool) -> list[str]:
    found = []
    promised = _promised(container)
    if promised and duration < promised - max(1.0, 0.02 * promised):
        found.append(
            f"The recording breaks off: {duration:.0f} seconds could be decoded, its header promises {promised:.0f}."
        )
    if broken_clock:
        found.append("The recording's clock jumps; times after the jump count the sound itself.")
    return found

"""Samples video frames from a recording, rotated upright and scaled down, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import av
import av.container
import av.error
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from shared.domain.error import DecodeFailed
from shared.domain.span import Span
from shared.engines.decoder.open import HINT, Packets, check_size, find_video, recording_start
from shared.engines.settings import MediaSettings
from shared.ports.media import Bytes, Frame

SEEKABLE = ("mov", "matroska")  # in other containers a seek may land after its target
WORTH_A_SEEK = 2.0  # seconds; the shortest jump for which a seek is cheaper than decoding
MAX_PER_SECOND = 60


def sample_frames(
    container: av.container.InputContainer,
    within: Sequence[Span],
    *,
    per_second: float,
    longest_side: int,
    settings: MediaSettings,
) -> Iterator[Frame]:
    """Yield frames on a time grid inside the spans."""
    video = find_video(container)
    if video is None or not within:
        return
    video.thread_type = "AUTO"
    # Frames that no other frame refers to can be skipped: 4 frames a second do not need them.
    video.codec_context.skip_frame = "NONREF"
    step, shrink = 1.0 / per_second, VideoReformatter()
    reader = _Reader(container, video, budget=2 * MAX_PER_SECOND * round(within[-1].end + 60))
    for span in within:
        due = span.start
        for time, frame in reader.frames_from(span.start):
            if time >= span.end:
                break
            if time >= due:
                check_size(frame.width, frame.height, settings)
                yield Frame(time, _upright(frame, shrink, longest_side))
                due = max(due + step, time + step / 2)


class _Reader:
    """Reads frames with their times; seeks ahead where that is cheaper than decoding."""

    def __init__(self, container: av.container.InputContainer, video: Any, budget: int) -> None:
        self._container, self._video, self._budget = container, video, budget
        self._start = recording_start(container)
        self._seekable = container.format.name.startswith(SEEKABLE)
        self._running: Iterator[tuple[float, Any]] = self._decoded()
        self._last: tuple[float, Any] | None = None
        self._at = self._key = 0.0
        self._ended = False

    def frames_from(self, time: float) -> Iterator[tuple[float, Any]]:
        if self._ended:
            return
        # A seek lands on the last key frame before its target. Browser recorders write few key frames: unless the
        # jump is longer than the time since the last one, the seek could return to frames already decoded.
        if self._seekable and time - self._at > max(WORTH_A_SEEK, self._at - self._key):
            self._seek(time)
        if self._last is not None:
            yield self._last  # it ended the previous span and may begin this one
        for latest in self._running:
            self._last = latest
            yield latest
        self._ended = True

    def _seek(self, time: float) -> None:
        try:
            self._container.seek(round((time + self._start) / self._video.time_base), stream=self._video)
        except av.error.FFmpegError:
            self._seekable = False  # decoding reaches the same time
            return
        self._running, self._last = self._decoded(), None

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        for _, frames in Packets(self._container, [self._video]):
            for frame in frames:
                self._budget -= 1
                if self._budget < 0:
                    raise DecodeFailed(f"The video has more than {MAX_PER_SECOND} frames a second.", hint=HINT)
                if frame.time is None:
                    continue
                self._at = frame.time - self._start
                if frame.key_frame:
                    self._key = self._at
                yield self._at, frame


def _upright(frame: Any, shrink: VideoReformatter, longest_side: int) -> Bytes:
    """Scale and rotate one frame; each has its own size, because calls change resolution."""
    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
    small = shrink.reformat(frame, width, height, format="rgb24", interpolation=Interpolation.AREA)
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), round(frame.rotation / 90)))

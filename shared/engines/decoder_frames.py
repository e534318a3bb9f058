"""Pictures out of a recording: sampled, turned upright and scaled down, one at a time."""

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
from shared.engines.decoder_open import HINT, Packets, check_size, find_video, recording_start
from shared.engines.settings import MediaSettings
from shared.ports.media import Bytes, Frame

SEEKABLE = ("mov", "matroska")  # elsewhere a seek is a guess that may land behind its target
WORTH_A_SEEK = 2.0  # seconds
MAX_PER_SECOND = 60


def sample_frames(
    container: av.container.InputContainer,
    within: Sequence[Span],
    *,
    per_second: float,
    longest_side: int,
    settings: MediaSettings,
) -> Iterator[Frame]:
    """Frames on a grid of times inside the spans."""
    video = find_video(container)
    if video is None or not within:
        return
    video.thread_type = "AUTO"
    # Frames that no other frame refers to can be left out: at 4 frames a second nobody misses them.
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
    """Frames with their times; jumps ahead where that is cheaper than decoding on."""

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
        # A seek lands on the last key frame before its target. Recorders in browsers write hardly any: unless the
        # jump is further than the stretch since the last one, it could lead back to what was decoded already.
        if self._seekable and time - self._at > max(WORTH_A_SEEK, self._at - self._key):
            self._seek(time)
        if self._last is not None:
            yield self._last  # it ended the span before this one, and may begin this one
        for latest in self._running:
            self._last = latest
            yield latest
        self._ended = True

    def _seek(self, time: float) -> None:
        try:
            self._container.seek(round((time + self._start) / self._video.time_base), stream=self._video)
        except av.error.FFmpegError:
            self._seekable = False  # decoding on gets there too
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
    """Each frame is scaled by its own size: calls change resolution in the middle."""
    scale = min(1.0, longest_side / max(frame.width, frame.height))
    width, height = max(2, round(frame.width * scale)), max(2, round(frame.height * scale))
    small = shrink.reformat(frame, width, height, format="rgb24", interpolation=Interpolation.AREA)
    return np.ascontiguousarray(np.rot90(small.to_ndarray(), round(frame.rotation / 90)))

"""In the sandboxed child: re-encodes a recording as mp4 with burnt-in captions, or adds them as a subtitle track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import av
import av.container
import numpy as np
from av.audio.resampler import AudioResampler

from shared.domain.caption import CaptionLine
from shared.domain.error import NoAudio
from shared.engines.captions.drawing import draw
from shared.engines.captions.request import CaptionRequest
from shared.engines.decoder.open import HINT, Packets, check_size, find_video, opened, recording_start
from shared.engines.settings import MediaSettings
from shared.ports.media import Progress

CLOCK = Fraction(1, 90_000)
BLANK = (640, 360)  # frame size for a recording without video
BLANK_RATE = 10  # its frames per second
BACKGROUND = (24, 28, 38)
FRAME_SIZE = 1024  # samples in an AAC frame
RATE = 48_000


def render(request: CaptionRequest, settings: MediaSettings, progress: Progress) -> None:
    with opened(request.media, settings) as source, av.open(request.into, "w", format="mp4") as target:
        if request.burn:
            _Burner(source, target, request, settings).run(progress)
        else:
            _add_track(source, target, request)


class _Burner:
    """Decodes, draws and encodes packet by packet; only the current frame is in memory."""

    def __init__(
        self,
        source: av.container.InputContainer,
        target: av.container.OutputContainer,
        request: CaptionRequest,
        settings: MediaSettings,
    ) -> None:
        self._source, self._target, self._request, self._settings = source, target, request, settings
        self._sound, self._picture = source.streams.best("audio"), find_video(source)
        if self._sound is None and self._picture is None:
            raise NoAudio("The recording has neither audio nor video.", hint=HINT)
        self._start = recording_start(source)
        self._video = self._video_stream()
        self._audio: Any = None
        self._resampler: AudioResampler | None = None
        if self._sound is not None:
            self._audio = target.add_stream("aac", rate=RATE, layout="stereo")
            self._resampler = AudioResampler("fltp", "stereo", RATE, frame_size=FRAME_SIZE)
        self._last_timestamp = -1  # timestamp of the last frame in CLOCK units: timestamps must increase
        self._samples_written = 0  # samples written so far

    def _video_stream(self) -> Any:
        rate = (self._picture.average_rate or 25) if self._picture is not None else BLANK_RATE
        stream = self._target.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.codec_context.thread_count = 2
        width, height = (self._picture.width, self._picture.height) if self._picture is not None else BLANK
        if self._picture is not None and self._is_rotated():
            width, height = height, width
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        stream.codec_context.time_base = CLOCK
        return stream

    def _is_rotated(self) -> bool:
        """Return whether the first frame is rotated by 90 or 270 degrees."""
        frame = next((frame for _, frames in Packets(self._source, [self._picture]) for frame in frames), None)
        self._source.seek(0)
        return frame is not None and frame.rotation % 180 != 0

    def run(self, progress: Progress) -> None:
        selected = [stream for stream in (self._sound, self._picture) if stream is not None]
        whole = (self._source.duration or 0) / av.time_base
        reported = 0.0
        for index, frames in Packets(self._source, selected):
            for frame in frames:
                if self._picture is not None and index == self._picture.index:
                    self._write_video_frame(frame)
                else:
                    self._write_audio_frame(frame)
            now = self._samples_written / RATE if self._sound is not None else self._last_timestamp * float(CLOCK)
            if whole and now / whole >= reported + 0.01:
                reported = min(1.0, now / whole)
                progress(reported)
        self._finish()

    def _write_video_frame(self, frame: Any) -> None:
        if frame.time is None:
            return
        check_size(frame.width, frame.height, self._settings)
        time = max(0.0, frame.time - self._start)
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
        self._encode(np.ascontiguousarray(pixels), time)

    def _encode(self, pixels: Any, time: float) -> None:
        timestamp = round(time / CLOCK)
        if timestamp <= self._last_timestamp:
            return
        self._last_timestamp = timestamp
        picture = av.VideoFrame.from_ndarray(
            draw(pixels, time, self._request.lines, self._request.notice), format="rgb24"
        )
        picture.pts, picture.time_base = timestamp, CLOCK
        fitted = picture.reformat(self._video.width, self._video.height, "yuv420p")
        self._target.mux(self._video.encode(fitted))

    def _write_audio_frame(self, frame: Any) -> None:
        if self._resampler is None:
            return
        if frame.time is not None and self._samples_written == 0:
            self._samples_written = max(0, round((frame.time - self._start) * RATE))
        frame.pts = None
        for block in self._resampler.resample(frame):
            self._write(block)

    def _write(self, block: Any) -> None:
        if self._picture is None:
            self._fill_blank((self._samples_written + block.samples) / RATE)
        block.pts, block.time_base = self._samples_written, Fraction(1, RATE)
        self._samples_written += block.samples
        self._target.mux(self._audio.encode(block))

    def _fill_blank(self, until: float) -> None:
        """Write blank frames up to this time, so that the muxer gets audio and video interleaved."""
        while (
            timestamp := max(0, self._last_timestamp + round(1 / BLANK_RATE / CLOCK))
            if self._last_timestamp >= 0
            else 0
        ) * CLOCK < until:
            width, height = BLANK
            self._encode(np.full((height, width, 3), BACKGROUND, dtype=np.uint8), float(timestamp * CLOCK))

    def _finish(self) -> None:
        if self._resampler is not None and self._samples_written:
            for block in self._resampler.resample(None):
                self._write(block)
            self._target.mux(self._audio.encode(None))
        self._target.mux(self._video.encode(None))


def _add_track(
    source: av.container.InputContainer, target: av.container.OutputContainer, request: CaptionRequest
) -> None:
    """Copy audio and video unchanged and add the captions as a track that a player can turn off."""
    streams = [stream for stream in (find_video(source), source.streams.best("audio")) if stream is not None]
    copies = {stream.index: target.add_stream_from_template(stream) for stream in streams}
    subtitles: Any = target.add_stream("mov_text")
    # The encoder only provides the track description; the packets are built here.
    subtitles.codec_context.subtitle_header = b"[Script Info]\r\n[V4+ Styles]\r\n[Events]\r\n"
    subtitles.time_base = Fraction(1, 1000)
    waiting = _subtitle_packets(request.lines, subtitles)
    following = next(waiting, None)
    for packet in source.demux(streams):
        if packet.dts is None:
            continue
        while following is not None and following.pts * following.time_base <= packet.dts * packet.time_base:
            target.mux(following)
            following = next(waiting, None)
        packet.stream = copies[packet.stream.index]
        target.mux(packet)
    while following is not None:
        target.mux(following)
        following = next(waiting, None)


def _subtitle_packets(lines: Sequence[CaptionLine], stream: Any) -> Iterator[Any]:
    """Yield subtitle packets without overlap: two bytes of length, then the text."""
    ordered = sorted(lines, key=lambda line: line.start)
    for number, line in enumerate(ordered):
        end = min([line.end, *(later.start for later in ordered[number + 1 : number + 2])])
        label = f" [{line.emotion}]" if line.emotion else ""
        text = f"{line.speaker}{label}: {line.text}".encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(line.start * 1000)
        packet.duration = max(1, round((end - line.start) * 1000))
        yield packet

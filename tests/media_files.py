"""Writes small recordings with PyAV in the formats of conferencing platforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from shared.ports.media import Bytes, Floats

RATE = 48_000
SOUND_CODECS = {
    ".mp4": "aac", ".mov": "aac", ".m4a": "aac", ".webm": "libopus", ".mkv": "libopus", ".ogg": "libopus",
    ".opus": "libopus", ".mp3": "libmp3lame", ".wav": "pcm_s16le", ".flac": "flac", ".ts": "aac", ".aac": "aac",
}  # fmt: skip
PICTURE_CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx", ".ts": "libx264"}
FORMATS = {".m4a": "ipod", ".mkv": "matroska", ".aac": "adts", ".ts": "mpegts", ".opus": "ogg"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A video whose frame at second t is grey with the value 10 t, or the result of `draw` for its number."""

    seconds: float
    width: int = 160
    height: int = 120
    rate: int = 10
    key_every: int = 10  # frames
    start: float = 0.0
    draw: Callable[[int], Bytes] | None = None


def tone(seconds: float, *, hertz: float = 440.0, level: float = 0.3) -> Floats:
    """A steady tone; tests detect it by its level."""
    times = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def silence(seconds: float) -> Floats:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def write_media(
    path: Path,
    *sounds: Floats,  # one stream each: (sample,) or (channel, sample)
    picture: Picture | None = None,
    gap: tuple[float, float] | None = None,  # (second, jump): the timestamps jump ahead by so many seconds
    start: float = 0.0,  # first timestamp of the audio
    languages: Sequence[str] = (),
    options: dict[str, str] | None = None,
) -> Path:
    ending = path.suffix
    with av.open(str(path), "w", format=FORMATS.get(ending, ending[1:]), options=options or {}) as container:
        video = None if picture is None else _video_stream(container, picture, PICTURE_CODECS[ending])
        streams: list[Any] = []
        for number, sound in enumerate(sounds):
            stream: Any = container.add_stream(SOUND_CODECS[ending], rate=RATE)
            stream.layout = {1: "mono", 2: "stereo"}.get(np.atleast_2d(sound).shape[0], "5.1")
            if languages:
                stream.metadata["language"] = languages[number]
            streams.append(stream)
        parts = [_sound_packets(stream, sound, start, gap) for stream, sound in zip(streams, sounds, strict=True)]
        if video is not None and picture is not None:
            parts.append(_picture_packets(video, picture))
        for packet in sorted((packet for part in parts for packet in part), key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def _sound_packets(stream: Any, sound: Floats, start: float, gap: tuple[float, float] | None) -> list[Any]:
    planes = np.atleast_2d(sound)
    codec = stream.codec_context
    codec.open()
    size = codec.frame_size or 1024
    resampler = av.AudioResampler(codec.format.name, stream.layout.name, RATE)
    packets: list[Any] = []
    for first in range(0, planes.shape[1], size):
        piece = np.ascontiguousarray(planes[:, first : first + size])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=stream.layout.name)
        frame.sample_rate = RATE
        for block in resampler.resample(frame):
            late = gap[1] if gap and first / RATE >= gap[0] else 0.0
            block.pts = first + round((start + late) * RATE)
            packets += stream.encode(block)
    return [*packets, *stream.encode(None)]


def _video_stream(container: Any, picture: Picture, codec: str) -> Any:
    stream = container.add_stream(codec, rate=picture.rate)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    stream.codec_context.gop_size = picture.key_every
    if codec == "libx264":
        stream.options = {"preset": "ultrafast", "x264-params": f"keyint={picture.key_every}:scenecut=0"}
    return stream


def _picture_packets(stream: Any, picture: Picture) -> list[Any]:
    packets: list[Any] = []
    for number in range(round(picture.seconds * picture.rate)):
        grey = min(255, round(10 * number / picture.rate))
        plain = np.full((picture.height, picture.width, 3), grey, dtype=np.uint8)
        pixels = picture.draw(number) if picture.draw else plain
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number + round(picture.start * picture.rate)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]

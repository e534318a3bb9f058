"""Opens a recording in the sandboxed child: checks whitelists and limits before the first packet is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.stream

from shared.domain.error import DecodeFailed, EmptyFile, MediaTooLarge, UnsupportedMedia
from shared.engines.settings import MediaSettings

# A file named recording.mp4 may be a playlist that refers to another tenant's file. Only the format whitelist prevents
# that: a protocol whitelist alone or a neutral file name does not.
FORMATS = "mov,matroska,webm,mp3,wav,flac,ogg,aac,mpegts"
HINT = "Export the recording as mp4, webm, mkv, mov, m4a, mp3, ogg, wav or flac."
MAX_IDLE_PACKETS = 10_000
ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"%PDF", b"7z\xbc\xaf", b"Rar!")


@contextmanager
def opened(path: str, settings: MediaSettings) -> Iterator[av.container.InputContainer]:
    """Open the container if its format is allowed and it is within the limits."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    _refuse_documents(head)
    try:
        container = av.open(
            path,
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="ignore",
            timeout=(10, 10),
        )
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        if head[4:8] in (b"ftyp", b"mdat", b"wide"):
            raise DecodeFailed(
                "The recording is incomplete: its index, which mp4 and mov get when recording ends, is missing.",
                hint="Download it again; if it is the same, recover it with the program that recorded it.",
            ) from error
        raise UnsupportedMedia("This is not a recording that can be opened.", hint=HINT) from error
    with container:
        _check_streams(container, settings)
        yield container


def _refuse_documents(head: bytes) -> None:
    """Reject text, playlists, archives and web pages before a demuxer takes them for audio."""
    if not head:
        raise EmptyFile("The recording is empty.", hint="Download or export it again.")
    if head.startswith(ARCHIVES):
        raise UnsupportedMedia("This is an archive or a document, not a recording.", hint=HINT)
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        raise UnsupportedMedia("This is a text file, not a recording.", hint=HINT)


def _check_streams(container: av.container.InputContainer, settings: MediaSettings) -> None:
    streams = container.streams
    for count, cap, what in (
        (len(streams), settings.max_streams, "streams"),
        (len(streams.audio), settings.max_audio_streams, "audio streams"),
        (len(streams.video), settings.max_video_streams, "video streams"),
    ):
        if count > cap:
            raise MediaTooLarge(f"The recording has {count} {what}; at most {cap} are opened.", hint=HINT)
    for stream in (*streams.audio, *streams.video):
        if stream.codec_context is not None:  # None: no decoder for it
            stream.codec_context.thread_count = 2
    for video in streams.video:
        if video.codec_context is None:
            continue
        check_size(video.width, video.height, settings)
        # The decoder reads the limit only from here; among the options of av.open it has no effect. It counts whole
        # blocks, 1920 x 1088 for 1920 x 1080; `check_size` checks the displayed size of each frame.
        video.codec_context.options = {"max_pixels": str(round(settings.max_pixels * 1.1))}


def check_size(width: int, height: int, settings: MediaSettings) -> None:
    if width * height > settings.max_pixels:
        raise MediaTooLarge(
            f"The video is {width} x {height}; at most {settings.max_pixels} pixels are decoded.",
            hint="Export it at a lower resolution.",
        )


def find_video(container: av.container.InputContainer) -> Any | None:
    """Return the first video stream; cover art does not count."""
    for stream in container.streams.video:
        cover = av.stream.Disposition.attached_pic in stream.disposition
        if stream.codec_context is not None and stream.width and stream.height and not cover:
            return stream
    return None


def recording_start(container: av.container.InputContainer) -> float:
    """Return the start time of the recording's clock, so that audio and video share one time base."""
    return (container.start_time or 0) / av.time_base


class Packets:
    """Iterates over the frames of selected streams, packet by packet, and counts damaged packets."""

    def __init__(self, container: av.container.InputContainer, selected: Sequence[Any]) -> None:
        self._container = container
        self._selected = {stream.index for stream in selected}
        self._start = recording_start(container)
        self.damaged = 0  # packets that could not be decoded
        self.truncated = False  # whether the last packet was truncated
        self.end = 0.0  # the last second of any audio or video packet, decoded or not

    def __iter__(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield each packet's stream and frames; too many damaged packets in a row are an error."""
        idle = 0
        for packet in self._demuxed():
            if packet.stream.index not in self._selected:
                continue
            frames = self._decoded(packet)
            idle = 0 if frames else idle + 1
            if idle > MAX_IDLE_PACKETS:
                raise DecodeFailed("The recording is too damaged to decode.", hint=HINT)
            yield packet.stream.index, frames

    def _demuxed(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux():
                if packet.stream.type in {"audio", "video"} and packet.pts is not None:
                    last = (packet.pts + (packet.duration or 0)) * packet.time_base
                    self.end = max(self.end, float(last) - self._start)
                yield packet
        except MemoryError:
            raise
        except (av.error.ExitError, av.error.OSError) as error:
            raise DecodeFailed("The recording could not be read to its end.", hint="Try again.") from error
        except av.error.FFmpegError:
            self.truncated = True  # the container is truncated here; decoded data is kept

    def _decoded(self, packet: Any) -> list[Any]:
        damaged, frames = packet.is_corrupt, []
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            damaged = True
        if packet.size:  # the empty packet at the end only flushes the decoder
            self.damaged += damaged
            self.truncated = damaged
        return frames

"""Opening a recording, inside the limited child only: whitelists and caps before the first packet is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container
import av.error

from shared.domain.error import DecodeFailed, MediaTooLarge, UnsupportedMedia
from shared.engines.settings import MediaSettings

# A file named recording.mp4 may be a playlist that names another tenant's file. Only the format whitelist stops
# that: a protocol whitelist alone does not, and neither does a neutral name.
FORMATS = "mov,matroska,webm,mp3,wav,flac,ogg,aac,mpegts"
MEND = "Export the recording as mp4, webm, mkv, mov, m4a, mp3, ogg, wav or flac."


@contextmanager
def opened(name: str, settings: MediaSettings) -> Iterator[av.container.InputContainer]:
    """The container, if it is one of ours and within its caps."""
    _refuse_documents(Path(name))
    try:
        container = av.open(
            name,
            options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
            metadata_errors="ignore",
            timeout=(10, 10),
        )
    except av.error.FFmpegError as error:
        raise UnsupportedMedia("This is not a recording that can be opened.", mend=MEND) from error
    with container:
        _check_streams(container, settings)
        yield container


def _refuse_documents(path: Path) -> None:
    """Text, playlists, archives and pages are refused before a demuxer guesses that they could be sound."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"%PDF", b"7z\xbc\xaf", b"Rar!")):
        raise UnsupportedMedia("This is an archive or a document, not a recording.", mend=MEND)
    text = head.removeprefix(b"\xef\xbb\xbf")
    if text and not any(byte < 9 or 13 < byte < 32 for byte in text):
        raise UnsupportedMedia("This is a text file, not a recording.", mend=MEND)


def _check_streams(container: av.container.InputContainer, settings: MediaSettings) -> None:
    streams = container.streams
    for count, cap, what in (
        (len(streams), settings.max_streams, "streams"),
        (len(streams.audio), settings.max_audio_streams, "audio streams"),
        (len(streams.video), settings.max_video_streams, "video streams"),
    ):
        if count > cap:
            raise MediaTooLarge(f"The recording has {count} {what}; at most {cap} are opened.", mend=MEND)
    for stream in streams.video:
        if stream.width * stream.height > settings.max_pixels:
            raise MediaTooLarge(
                f"The video is {stream.width} x {stream.height}; at most {settings.max_pixels} pixels are decoded.",
                mend="Export it at a lower resolution.",
            )
        # Only here does the cap reach the decoder; among the options of av.open it has no effect.
        stream.codec_context.options = {"max_pixels": str(settings.max_pixels)}
        stream.codec_context.thread_count = 2
    for audio in streams.audio:
        audio.codec_context.thread_count = 2


def packets(container: av.container.InputContainer, stream: Any, idle_limit: int = 10_000) -> Iterator[list[Any]]:
    """The frames of each packet; damaged packets are skipped, but not without end."""
    idle = 0
    demuxed = container.demux(stream)
    while True:
        try:
            packet = next(demuxed)
        except (StopIteration, av.error.EOFError):
            return
        except av.error.FFmpegError:
            return  # the container breaks off here; what was decoded so far is kept
        try:
            frames = list(packet.decode())
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            frames = []
        idle = 0 if frames else idle + 1
        if idle > idle_limit:
            raise DecodeFailed("The recording is too damaged to decode.", mend=MEND)
        yield frames


def recording_start(container: av.container.InputContainer) -> float:
    """Where the recording's own clock starts, so that sound and picture are told in the same seconds."""
    return (container.start_time or 0) / av.time_base

"""Checks the type of an upload by its first bytes: accepts supported containers and rejects everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from shared.domain.error import EmptyFile, InvalidTranscript, UnsupportedMedia
from shared.domain.transcript_format import HEAD, TranscriptFormat, transcript_format

TS_PACKET = 188
SHORT_SECONDS = 30
SHORT_BYTES = 240_000  # 30 seconds at 64 kbit/s; at lower rates a clip may last longer
_ATOMS = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip", b"pnot", b"styp")
_MAGIC = (b"\x1aE\xdf\xa3", b"fLaC", b"OggS", b"ID3")
_RIFF = (b"RIFF", b"RF64", b"BW64")


def checked_media(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Returns the same blocks if they start as audio or video; raises before anything is stored."""
    head, rest = _head(blocks)
    if not head:
        raise EmptyFile("The recording is empty.", hint="Export the recording again.")
    if not is_media(head):
        raise UnsupportedMedia(
            "The file is not a supported recording.",
            hint="Send mp4, mov, m4a, mkv, webm, mp3, wav, flac, ogg, opus, aac or ts.",
        )
    return chain((head,), rest)


def checked_transcript(blocks: Iterable[bytes]) -> tuple[TranscriptFormat, Iterator[bytes]]:
    """Returns the format and the same blocks if they start as a transcript; the worker parses them strictly."""
    head, rest = _head(blocks)
    found = transcript_format(head)
    if found is None:
        raise InvalidTranscript(
            "The transcript is not WebVTT, SRT, our JSON, or lines `Name: text`.",
            hint="Export it as WebVTT, or leave it out.",
        )
    return found, chain((head,), rest)


def is_media(head: bytes) -> bool:
    trimmed = head.lstrip(b"\0")  # some MP3 encoders pad the start with zeros
    return (
        head[4:8] in _ATOMS
        or head.startswith(_MAGIC)
        or (head.startswith(_RIFF) and head[8:12] == b"WAVE")
        or _is_transport_stream(head)
        or trimmed.startswith(b"ID3")
        or _is_mpeg_audio(trimmed)
    )


def is_short_clip(head: bytes, size: int) -> bool:
    """Whether a recording lasts 30 seconds at most: by the header of a WAV, otherwise by its size."""
    if head.startswith(_RIFF) and head[12:16] == b"fmt ":
        bytes_per_second = int.from_bytes(head[28:32], "little")
        return bool(bytes_per_second) and size <= SHORT_SECONDS * bytes_per_second + HEAD
    return size <= SHORT_BYTES


def _is_mpeg_audio(head: bytes) -> bool:
    """Whether the bytes start with an MP3 or ADTS AAC frame header: eleven sync bits and no reserved values."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    if head[1] & 0xF6 == 0xF0:  # ADTS: layer 0
        return (head[2] >> 2) & 0x0F < 13
    version, layer = (head[1] >> 3) & 3, (head[1] >> 1) & 3
    # Layer I is not used any more, and its header matches UTF-16 text.
    return version != 1 and layer in (1, 2) and head[2] >> 4 != 15 and (head[2] >> 2) & 3 != 3


def _is_transport_stream(head: bytes) -> bool:
    for size, first in ((TS_PACKET, 0), (192, 4)):
        offsets = range(first, len(head), size)
        if len(offsets) > 3 and all(head[offset] == 0x47 for offset in offsets):
            return True
    return False


def _head(blocks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    rest = iter(blocks)
    head = bytearray()
    for block in rest:
        head += block
        if len(head) >= HEAD:
            break
    return bytes(head), rest

"""Tests of media sniffing: recordings in every supported container pass, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from services.gateway.media_sniffing import checked_media, checked_transcript, is_short_clip
from shared.domain.error import EmptyFile, InvalidTranscript, UnsupportedMedia
from shared.domain.transcript_format import TranscriptFormat

CONTAINERS = {
    "mp4": "aac",
    "mov": "aac",
    "mp3": "mp3",
    "wav": "pcm_s16le",
    "flac": "flac",
    "ogg": "libopus",
    "opus": "libopus",
    "webm": "libopus",
    "matroska": "aac",
    "adts": "aac",
    "mpegts": "aac",
}


def recorded(folder: Path, container: str) -> bytes:
    path = folder / "recording"
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(CONTAINERS[container], rate=48000)
        assert isinstance(stream, av.AudioStream)
        for _ in range(60):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.int16), format="s16", layout="mono")
            frame.rate = 48000
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("container", sorted(CONTAINERS))
def test_recording_passes_unchanged_for_any_block_size(tmp_path: Path, container: str) -> None:
    content = recorded(tmp_path, container)
    for size in (1, 1000, len(content)):
        pieces = (content[start : start + size] for start in range(0, len(content), size))
        assert b"".join(checked_media(pieces)) == content


@pytest.mark.parametrize("pad", [b"\0" * 100, b"ID3\x04\0\0\0\0\0\0"])
def test_mp3_with_padding_or_tags_passes(tmp_path: Path, pad: bytes) -> None:
    assert b"".join(checked_media([pad + recorded(tmp_path, "mp3")]))


@pytest.mark.parametrize(
    "head",
    [b"\xff\xfeu\0t\0f\0", b"\xff\xff\xff\xff", b"GIF89a", b"G" * 100, b"\0" * 5000, b"{}", b"\xef\xbb\xbf<html>"],
)
def test_other_content_is_rejected(head: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        checked_media([head])


def test_only_the_head_is_read_before_the_check(tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield b"<html>" + bytes(5000)
        raise AssertionError("read more than the head")

    with pytest.raises(UnsupportedMedia):
        checked_media(endless())
    with pytest.raises(EmptyFile):
        checked_media([b"", b""])


def wav_head(bytes_per_second: int) -> bytes:
    return b"RIFF\0\0\0\0WAVEfmt " + bytes(12) + bytes_per_second.to_bytes(4, "little") + bytes(12)


@pytest.mark.parametrize(
    ("head", "size", "short"),
    [
        (wav_head(32_000), 32_000 * 30 + 44, True),
        (wav_head(32_000), 32_000 * 31, False),
        (wav_head(192_000), 192_000 * 30, True),
        (wav_head(0), 100, False),
        (b"ID3\x04", 240_000, True),
        (b"ID3\x04", 240_001, False),
    ],
)
def test_a_clip_of_30_seconds_is_short(head: bytes, size: int, short: bool) -> None:
    assert is_short_clip(head, size) is short


@pytest.mark.parametrize(
    "text", ["WEBVTT\n", "\ufeffWEBVTT\n", "1\n00:00:01,000 --> 00:00:02,000\nx\n", '  {"job_id": 1}']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_transcript_passes(text: str, encoding: str) -> None:
    found, blocks = checked_transcript([text.encode(encoding)])
    assert (found, b"".join(blocks)) == (TranscriptFormat.TIMED, text.encode(encoding))


@pytest.mark.parametrize("text", ["Ana: hello", "\n\n  Ana van Dyk : hello\nand more", "O'Neil, Dr. B. (Host): so"])
def test_lines_with_names_are_a_transcript_without_times(text: str) -> None:
    assert checked_transcript([text.encode()])[0] is TranscriptFormat.LINES


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"PK\x03\x04 -->\0", b"words", b"Minutes of the meeting: none", b"Ana:", b"\xff\xfea\0"],
)
def test_other_content_is_rejected_as_transcript(content: bytes) -> None:
    with pytest.raises(InvalidTranscript):
        checked_transcript([content])

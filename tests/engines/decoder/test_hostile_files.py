"""Malicious and broken files are rejected with their error code, or limited, by the sandboxed child."""

from __future__ import annotations

import gzip
import io
import resource
import struct
import time
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest

from shared.domain.error import DecodeFailed, EmptyFile, MediaTooLarge, NoAudio, RecordingError, UnsupportedMedia
from shared.domain.span import span
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import MediaSettings
from tests.media_files import Picture, silence, tone, write_media

DEFAULTS = MediaSettings()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def rejected(media: Path, into: Path, kind: type[RecordingError], settings: MediaSettings = DEFAULTS) -> RecordingError:
    with pytest.raises(kind) as caught:
        PyAvDecoder(settings).decode(media, into, tracks=(), separate_channels=False, progress=lambda _: None)
    assert caught.value.hint
    return caught.value


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("meeting.mp4", b"not really")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"Hello, this is a text file.\n" * 100,
        "Grüße aus Zürich".encode(),
        b"\xef\xbb\xbfWEBVTT\n\n00:00.000 --> 00:01.000\nHi\n",
        b"<!doctype html><html><body>Sign in</body></html>",
        b'<?xml version="1.0"?><MPD></MPD>',
        _zip(),
        gzip.compress(b"sound" * 1000),
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(200),
        b"FORM\x00\x00\x10\x00AIFFCOMM" + bytes(200),
        bytes(5000),
    ],
    ids=["text", "utf8", "vtt", "html", "xml", "zip", "gzip", "pdf", "png", "avi", "aiff", "zeros"],
)
def test_other_file_types_are_rejected(content: bytes, tmp_path: Path, into: Path) -> None:
    (tmp_path / "meeting.mp4").write_bytes(content)
    assert rejected(tmp_path / "meeting.mp4", into, UnsupportedMedia).code == "unsupported_media"


def test_empty_file_has_its_own_code(tmp_path: Path, into: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert rejected(tmp_path / "a.mp4", into, EmptyFile).code == "empty_file"


def test_recording_without_audio_has_its_own_code(tmp_path: Path, into: Path) -> None:
    assert rejected(write_media(tmp_path / "a.mkv", picture=Picture(1)), into, NoAudio).code == "no_audio"


def test_random_bytes_are_rejected(tmp_path: Path, into: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(np.random.default_rng(0).bytes(200_000))
    rejected(tmp_path / "a.mp3", into, RecordingError)


@pytest.mark.parametrize("name", ["media", "recording.mp4", "list.m3u8", "list.ffconcat", "list.txt"])
@pytest.mark.parametrize("control", [b"", b"#\x01\n"], ids=["plain", "with a control byte"])
@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile secret.wav\n",
        "ffconcat version 1.0\nfile '{folder}/secret.wav'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsecret.wav\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{folder}/secret.wav\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ],
    ids=["ffconcat relative", "ffconcat absolute", "hls relative", "hls absolute", "hls http"],
)
def test_playlist_is_rejected(playlist: str, control: bytes, name: str, tmp_path: Path, into: Path) -> None:
    """A control byte bypasses the text check; the format whitelist must reject the file too."""
    write_media(tmp_path / "secret.wav", tone(2))
    (tmp_path / name).write_bytes(playlist.format(folder=tmp_path).encode() + control)
    rejected(tmp_path / name, into, UnsupportedMedia)
    assert list(into.iterdir()) == []


def test_long_silence_in_a_small_file_stops_at_the_limit(tmp_path: Path, into: Path) -> None:
    """The header may not state the length: decoded samples are counted."""
    path = _long_flac(tmp_path / "a.flac", hours=10, stated=0)
    assert path.stat().st_size < 10_000_000
    error = rejected(path, into, MediaTooLarge, MediaSettings(max_seconds=600))
    assert error.code == "media_too_large"
    assert (into / "mix.f32").stat().st_size <= 600 * 64_000


def test_wrong_length_in_the_header_is_a_warning(tmp_path: Path, into: Path) -> None:
    path = _long_flac(tmp_path / "a.flac", hours=0.001, stated=100)
    probe = PyAvDecoder(DEFAULTS).decode(path, into, tracks=(), separate_channels=False, progress=lambda _: None)
    assert probe.duration == pytest.approx(3.6, abs=0.3)
    assert "seconds are missing" in probe.warnings[0]


def _long_flac(path: Path, *, hours: float, stated: float) -> Path:
    """Write silence with a header that states this length, or no length for 0."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8000)
        stream.layout, stream.format = "mono", "s16"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4608), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        for number in range(round(hours * 3600 * 8000 / 4608)):
            frame.pts = number * 4608
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = bytearray(buffer.getvalue())
    total = round(stated * 3600 * 8000)
    data[21] = (data[21] & 0xF0) | (total >> 32)
    data[22:26] = struct.pack(">I", total & 0xFFFFFFFF)
    path.write_bytes(data)
    return path


def test_too_many_streams_are_rejected_before_decoding(tmp_path: Path, into: Path) -> None:
    many = write_media(tmp_path / "a.mkv", *[silence(0.1)] * 60)
    assert "60 streams" in rejected(many, into, MediaTooLarge).message
    voices = write_media(tmp_path / "b.mkv", *[silence(0.1)] * 17)
    assert "17 audio streams" in rejected(voices, into, MediaTooLarge).message


def test_huge_frame_is_rejected(tmp_path: Path, into: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(0.2), picture=Picture(0.1, width=8000, height=8000))
    assert "8000 x 8000" in rejected(media, into, MediaTooLarge).message
    with pytest.raises(MediaTooLarge):
        list(PyAvDecoder(DEFAULTS).frames(media, [span(0, 1)], per_second=4, longest_side=320))


def test_largest_allowed_frame_fits_the_memory_limit(tmp_path: Path) -> None:
    media = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(1, width=3840, height=2160))
    frames = list(PyAvDecoder(DEFAULTS).frames(media, [span(0, 1)], per_second=4, longest_side=640))
    assert [frame.pixels.shape for frame in frames] == [(360, 640, 3)] * 4


@pytest.mark.parametrize("megabytes", [256, 400])
def test_decoder_out_of_memory_fails(megabytes: int, tmp_path: Path, into: Path) -> None:
    """One sample a second and 64 channels: each packet becomes gigabytes. The resampler drops them silently."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, 64, 1, 128, 128, 16, b"data", 2**30
    )
    (tmp_path / "a.wav").write_bytes(header + bytes(2_000_000))
    rejected(tmp_path / "a.wav", into, DecodeFailed, MediaSettings(max_memory_mb=megabytes, min_sample_rate=1))


def test_child_cannot_write_more_than_the_limit(tmp_path: Path, into: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    rejected(write_media(tmp_path / "a.wav", silence(200)), into, MediaTooLarge, MediaSettings(max_seconds=100))
    assert resource.getrlimit(resource.RLIMIT_AS) == before  # the limits apply to the child only


def test_file_truncated_in_its_first_frame_is_rejected(tmp_path: Path, into: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1))
    for length in (50, 300, 700):
        (tmp_path / "cut").write_bytes(path.read_bytes()[:length])
        error = rejected(tmp_path / "cut", into, RecordingError)
        assert isinstance(error, DecodeFailed | UnsupportedMedia | NoAudio)


@pytest.mark.parametrize("rate", [1, 100, 3_999])
def test_low_sample_rates_are_rejected_before_a_resampler_is_made(tmp_path: Path, into: Path, rate: int) -> None:
    samples = bytes(2 * 4000)
    fields = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    content = b"WAVE" + fields + struct.pack("<4sI", b"data", len(samples)) + samples
    (tmp_path / "slow.wav").write_bytes(struct.pack("<4sI", b"RIFF", len(content)) + content)
    began = time.monotonic()
    rejected(tmp_path / "slow.wav", into, UnsupportedMedia)
    assert time.monotonic() - began < 20, "the filter of a resampler from 1 Hz needs 35 s"

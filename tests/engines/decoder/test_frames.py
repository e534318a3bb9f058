"""Frames are sampled inside spans, rotated, scaled, and not decoded twice without need."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import DecodeFailed, MediaTooLarge
from shared.domain.span import Span, span
from shared.engines.decoder import frames as decoder_frames
from shared.engines.decoder.frames import sample_frames
from shared.engines.decoder.open import opened
from shared.engines.settings import MediaSettings
from shared.ports.media import Frame
from tests.media_files import Picture, tone, write_media

SETTINGS = MediaSettings()


def sampled(path: Path, within: Sequence[Span], *, per_second: float = 4, longest_side: int = 160) -> list[Frame]:
    with opened(str(path), SETTINGS) as container:
        return list(
            sample_frames(container, within, per_second=per_second, longest_side=longest_side, settings=SETTINGS)
        )


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".ts"])
@pytest.mark.parametrize("key_every", [10, 1000])
def test_frames_are_inside_the_spans_and_have_correct_times(ending: str, key_every: int, tmp_path: Path) -> None:
    path = write_media(tmp_path / f"a{ending}", tone(20), picture=Picture(20, key_every=key_every))
    spans = [span(1.0, 2.0), span(2.1, 3.0), span(12.0, 13.0), span(18.0, 19.0)]
    frames = sampled(path, spans)
    for piece in spans:
        inside = [frame for frame in frames if piece.start <= frame.time < piece.end]
        assert 3 <= len(inside) <= 5
    assert len(frames) == sum(any(piece.start <= frame.time < piece.end for piece in spans) for frame in frames)
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    for frame in frames:  # the grey value encodes the second
        assert float(frame.pixels.mean()) / 10 == pytest.approx(frame.time, abs=0.35)


def test_video_with_one_key_frame_is_decoded_once(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(30), picture=Picture(30, key_every=1000))
    spans = [span(start, start + 0.5) for start in range(1, 29, 3)]
    with opened(str(path), SETTINGS) as container:
        reader = decoder_frames._Reader(container, container.streams.video[0], budget=10_000)
        for piece in spans:
            next(time for time, _ in reader.frames_from(piece.start) if time >= piece.end)
        assert 10_000 - reader._budget < 3 * 300


def test_frames_are_scaled_down_but_never_up(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(1, width=320, height=160))
    assert sampled(path, [span(0, 1)], longest_side=80)[0].pixels.shape == (40, 80, 3)
    assert sampled(path, [span(0, 1)], longest_side=1000)[0].pixels.shape == (160, 320, 3)


def test_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mov", tone(1), picture=Picture(1, width=160, height=80))
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd", data.index(b"tkhd") + 4) + 4 + 40  # the video is the second track
    if data[matrix + 36 : matrix + 40] == bytes(4):  # … or the first
        matrix = data.index(b"tkhd") + 4 + 40
    one = 0x10000
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 80 * one, 0, 0x40000000)
    path.write_bytes(data)
    assert sampled(path, [span(0, 1)])[0].pixels.shape == (160, 80, 3)


def test_cover_art_is_not_video(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(0.1))
    assert sampled(path, [span(0, 1)])
    assert sampled(write_media(tmp_path / "a.m4a", tone(1)), [span(0, 1)]) == []


def test_no_spans_give_no_frames(tmp_path: Path) -> None:
    assert sampled(write_media(tmp_path / "a.mp4", tone(1), picture=Picture(1)), []) == []


def test_too_many_frames_per_second_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_media(tmp_path / "a.mp4", tone(10), picture=Picture(10))
    monkeypatch.setattr(decoder_frames, "MAX_PER_SECOND", 0)
    with pytest.raises(DecodeFailed, match="frames a second"):
        sampled(path, [span(0, 10)])


def test_frame_above_the_pixel_limit_is_rejected(tmp_path: Path) -> None:
    """The header is within the limit, a frame is not."""
    path = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(1))
    limited = MediaSettings(max_pixels=160 * 120 - 1)
    with opened(str(path), SETTINGS) as container, pytest.raises(MediaTooLarge):
        list(sample_frames(container, [span(0, 1)], per_second=4, longest_side=80, settings=limited))


def test_pixels_are_rgb(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(1), picture=Picture(20))
    pixels = sampled(path, [span(19, 20)])[0].pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags["C_CONTIGUOUS"]
    assert np.ptp(pixels.reshape(-1, 3).mean(axis=0)) < 4

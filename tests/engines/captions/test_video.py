"""Captioned videos, written by the sandboxed child and decoded again."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from shared.domain.caption import CaptionLine
from shared.domain.error import NoAudio, UnsupportedMedia
from shared.engines.captions.drawing import draw
from shared.engines.captions.render import render
from shared.engines.captions.request import CaptionRequest
from shared.engines.captions.video import caption_video
from shared.engines.settings import MediaSettings
from shared.exports.caption_lines import caption_lines
from shared.ports.media import Bytes
from tests.exports.sample import transcript
from tests.media_files import Picture, tone, write_media

LINES = (
    CaptionLine(start=0.5, end=1.5, speaker="Ana Müller", text="We lost it.", colour=(124, 214, 255)),
    CaptionLine(
        start=1.0, end=1.8, speaker="Ben", text="Oh " * 60, colour=(144, 238, 144),
        emotion="sadness", confidence=0.6, emotion_colour=(86, 140, 236),
    ),
)  # fmt: skip


def recording(path: Path, *, picture: bool = True) -> Path:
    write_media(path, tone(2.0), picture=Picture(2.0) if picture else None)
    return path


def request(media: Path, into: Path, *, burn: bool = True, lines: tuple[CaptionLine, ...] = LINES) -> CaptionRequest:
    return CaptionRequest(media=str(media), into=str(into), burn=burn, notice="Perceived emotion.", lines=lines)


def picture_at(path: Path, time: float) -> Bytes:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= time:
                return np.asarray(frame.to_ndarray(format="rgb24"))
    raise AssertionError(f"no picture at {time}")


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
def test_captions_are_burnt_in_and_the_duration_is_kept(tmp_path: Path, suffix: str) -> None:
    media, made = recording(tmp_path / f"a{suffix}"), tmp_path / "out.mp4"
    render(request(media, made), MediaSettings(), lambda share: None)
    bare = tmp_path / "bare.mp4"
    render(request(media, bare, lines=()), MediaSettings(), lambda share: None)
    with av.open(str(made)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
        assert (container.duration or 0) / 1e6 == pytest.approx(2.0, abs=0.25)
    different = np.abs(picture_at(made, 1.2).astype(int) - picture_at(bare, 1.2).astype(int)).max(axis=(1, 2))
    rows = len(different)
    assert different[rows * 3 // 4 :].max() > 100, "the lower third contains the caption"
    assert np.abs(picture_at(made, 0.1).astype(int) - picture_at(bare, 0.1).astype(int)).mean() < 3, "no caption yet"


def test_recording_without_video_gets_a_blank_picture(tmp_path: Path) -> None:
    made = tmp_path / "out.mp4"
    render(request(recording(tmp_path / "a.wav", picture=False), made), MediaSettings(), lambda share: None)
    assert picture_at(made, 0.2).shape == (360, 640, 3)
    assert picture_at(made, 1.2).max() > 200
    with av.open(str(made)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(2.0, abs=0.25)


def test_subtitle_track_is_added_to_the_copied_streams(tmp_path: Path) -> None:
    made = tmp_path / "out.mp4"
    render(request(recording(tmp_path / "a.mp4"), made, burn=False), MediaSettings(), lambda share: None)
    with av.open(str(made)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "subtitle"]
        texts = [bytes(packet)[2:].decode() for packet in container.demux(subtitles=0) if packet.size > 2]
    assert texts == ["Ana Müller: We lost it.", f"Ben [sadness]: {'Oh ' * 60}"]


def test_caption_video_leaves_no_temporary_files(tmp_path: Path) -> None:
    media, out = recording(tmp_path / "a.mp4"), tmp_path / "out"
    out.mkdir()
    shares: list[float] = []
    caption_video(
        media, LINES, "Perceived emotion.", out / "a.mp4", burn=True, settings=MediaSettings(), progress=shares.append
    )
    assert [path.name for path in out.iterdir()] == ["a.mp4"]
    assert (out / "a.mp4").stat().st_mode & 0o777 == 0o644
    assert shares


def test_invalid_recording_keeps_the_existing_video(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Just words.\n" * 20)
    target = tmp_path / "out.mp4"
    target.write_bytes(b"old")
    with pytest.raises(UnsupportedMedia):
        caption_video(
            tmp_path / "a.txt", (), "", target, burn=True, settings=MediaSettings(), progress=lambda share: None
        )
    assert target.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "out.mp4"]


def test_notice_is_drawn_in_the_first_seconds_only() -> None:
    grey = np.full((360, 640, 3), 128, dtype=np.uint8)
    assert (draw(grey, 1.0, (), "Perceived emotion.")[:20] != grey[:20]).any()
    assert (draw(grey, 9.0, (), "Perceived emotion.") == grey).all()


def test_captions_fit_small_and_tall_frames() -> None:
    for size in ((90, 160), (720, 404)):
        plain = np.zeros((*size, 3), dtype=np.uint8)
        assert draw(plain, 1.2, LINES, "Perceived emotion.").shape == plain.shape


def test_lines_have_speaker_colours_and_optional_emotion() -> None:
    lines = caption_lines(transcript(), emotion=True)
    colours = {line.speaker: line.colour for line in lines}
    assert len(set(colours.values())) == 3
    assert lines[0].emotion == "sadness"
    assert {line.emotion for line in caption_lines(transcript(), emotion=False)} == {None}


def test_recording_without_audio_and_video_is_rejected(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("subrip")
        stream.codec_context.subtitle_header = b"[Script Info]\r\n[V4+ Styles]\r\n[Events]\r\n"
        packet = av.Packet(b"only words")
        packet.stream, packet.pts, packet.dts, packet.duration = stream, 0, 0, 1000
        container.mux(packet)
    with pytest.raises(NoAudio):
        render(request(tmp_path / "a.mkv", tmp_path / "out.mp4"), MediaSettings(), lambda share: None)

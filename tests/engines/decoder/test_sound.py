"""Audio is decoded at its timestamps for every container, layout and stream."""

from __future__ import annotations

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import DecodeFailed, MediaTooLarge, NoAudio
from shared.domain.recording import Probe
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats
from tests.media_files import PICTURE_CODECS, SOUND_CODECS, Picture, silence, tone, write_media

SETTINGS = MediaSettings()


def decoded(
    path: Path, folder: Path, settings: MediaSettings = SETTINGS, *, channels: bool = False
) -> tuple[Probe, Floats]:
    probe = decode_sound(
        str(path), folder / "mix.f32", settings, channels_into=folder if channels else None, progress=lambda _: None
    )
    return probe, np.fromfile(folder / "mix.f32", dtype="<f4")


def level(samples: Floats, start: float, end: float) -> float:
    return float(np.sqrt(np.mean(np.square(samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]))))


@pytest.mark.parametrize("ending", SOUND_CODECS)
def test_every_container_is_decoded_at_16_khz(ending: str, tmp_path: Path) -> None:
    picture = Picture(2) if ending in PICTURE_CODECS else None
    path = write_media(tmp_path / f"a{ending}", np.concatenate([silence(1), tone(1)]), picture=picture)
    probe, samples = decoded(path, tmp_path)
    assert probe.duration == len(samples) / SAMPLE_RATE == pytest.approx(2.0, abs=0.05)
    assert level(samples, 0.1, 0.9) < 0.01
    assert level(samples, 1.1, 1.9) == pytest.approx(0.3 / 2**0.5, rel=0.1)
    assert (probe.video is not None) == (picture is not None)
    assert probe.warnings == ()


def test_file_name_does_not_matter(tmp_path: Path) -> None:
    original = write_media(tmp_path / "a.webm", tone(1))
    renamed = shutil.copy(original, tmp_path / "playlist.m3u8")
    assert decoded(Path(renamed), tmp_path)[0].audio_codec == "opus"


@pytest.mark.parametrize("ending", [".webm", ".mp4", ".mkv"])
def test_audio_that_starts_after_the_video_keeps_its_position(ending: str, tmp_path: Path) -> None:
    path = write_media(tmp_path / f"a{ending}", tone(1), picture=Picture(3), start=1.5)
    probe, samples = decoded(path, tmp_path)
    assert probe.duration == pytest.approx(2.5, abs=0.05)
    assert level(samples, 0.0, 1.4) < 0.01
    assert level(samples, 1.6, 2.4) > 0.1


@pytest.mark.parametrize("jump", [0.5, 20 * 60.0])
def test_timestamp_gap_is_silence_of_the_same_length(jump: float, tmp_path: Path) -> None:
    """A muted participant sends no audio, possibly for the whole meeting."""
    path = write_media(tmp_path / "a.mkv", tone(2), gap=(1.0, jump))
    probe, samples = decoded(path, tmp_path)
    assert probe.duration == pytest.approx(2 + jump, abs=0.1)
    assert level(samples, 1.1, 0.9 + jump) < 0.01
    assert level(samples, jump + 1.1, jump + 1.9) > 0.1
    assert probe.warnings == ()


def test_timestamp_jump_beyond_the_limit_is_a_warning(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(2), gap=(1.0, 26 * 3600.0))
    probe, _ = decoded(path, tmp_path)
    assert probe.duration == pytest.approx(2.0, abs=0.1)
    assert "timestamps of the recording jump" in probe.warnings[-1]


def test_timestamps_set_back_lose_no_audio(tmp_path: Path) -> None:
    """Two concatenated recordings in one transport stream: the timestamps restart at zero."""
    one = write_media(tmp_path / "one.ts", tone(4)).read_bytes()
    (tmp_path / "two.ts").write_bytes(one + one)
    probe, samples = decoded(tmp_path / "two.ts", tmp_path)
    assert probe.duration == pytest.approx(8.0, abs=0.2)
    assert level(samples, 5, 7.5) > 0.1
    assert (
        "The timestamps of the recording jump; times after the jump are counted in decoded samples." in probe.warnings
    )


def test_stream_can_change_its_rate_and_channels(tmp_path: Path) -> None:
    """Platforms concatenate parts of different sessions, so the format of raw frames can change."""
    parts = (write_media(tmp_path / "one.aac", tone(1)), write_media(tmp_path / "two.aac", np.stack([tone(1)] * 2)))
    (tmp_path / "both.aac").write_bytes(b"".join(part.read_bytes() for part in parts))
    probe, samples = decoded(tmp_path / "both.aac", tmp_path)
    assert probe.duration == pytest.approx(2.0, abs=0.1)
    assert min(level(samples, 0.1, 0.9), level(samples, 1.2, 1.9)) > 0.1


def test_channels_are_separated_on_request(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", np.stack([tone(1), silence(1)]))
    probe, mix = decoded(path, tmp_path, channels=True)
    left, right = (np.fromfile(tmp_path / f"track-{n}.f32", dtype="<f4") for n in (0, 1))
    assert [track.name for track in probe.tracks] == ["channel 1", "channel 2"]
    assert level(left, 0, 1) > 0.1
    assert not right.any()
    assert mix == pytest.approx(left / 2, abs=1e-6)


def test_single_channel_cannot_be_separated(tmp_path: Path) -> None:
    probe, _ = decoded(write_media(tmp_path / "a.wav", tone(1)), tmp_path, channels=True)
    assert probe.tracks == ()
    assert "one channel only" in probe.warnings[0]


def test_ten_channels_without_a_named_layout_are_decoded(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "array.wav"), "wb") as file:
        file.setnchannels(10)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(np.tile(np.arange(10, dtype="<i2") * 1000, 16_000).tobytes())
    probe, mix = decoded(tmp_path / "array.wav", tmp_path, channels=True)
    assert len(probe.tracks) == 10
    assert mix[8000] == pytest.approx(4500 / 32768, abs=1e-3)
    with pytest.raises(MediaTooLarge, match="10 channels"):
        decoded(tmp_path / "array.wav", tmp_path, MediaSettings(max_audio_streams=8), channels=True)


def test_streams_of_all_participants_are_mixed(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mkv", np.concatenate([tone(1), silence(2)]), np.concatenate([silence(2), tone(1)]), silence(3)
    )
    _, samples = decoded(path, tmp_path)
    levels = [level(samples, start + 0.1, start + 0.9) for start in (0, 1, 2)]
    assert levels == pytest.approx([0.106, 0.0, 0.106], abs=0.01)  # halved: two streams have sound


def test_translation_stream_is_not_mixed(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", tone(1), tone(1, hertz=1000), languages=("eng", "fre"))
    _, samples = decoded(path, tmp_path)
    spectrum = np.abs(np.fft.rfft(samples[: SAMPLE_RATE // 2]))
    assert spectrum[500] < 0.01 * spectrum[220]


def test_silent_stream_is_decoded(tmp_path: Path) -> None:
    probe, samples = decoded(write_media(tmp_path / "a.mp4", silence(1), picture=Picture(1)), tmp_path)
    assert probe.duration == pytest.approx(1.0, abs=0.05)
    assert not samples.any()


def test_video_without_audio_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(NoAudio):
        decoded(write_media(tmp_path / "a.mp4", picture=Picture(1)), tmp_path)


def test_audio_without_samples_is_a_failure(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
    with pytest.raises(DecodeFailed, match="No audio"):
        decoded(tmp_path / "a.wav", tmp_path)


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".webm", ".mp3", ".ogg", ".wav", ".flac", ".aac"])
def test_truncated_recording_gives_its_first_half_and_a_warning(ending: str, tmp_path: Path) -> None:
    picture = Picture(10) if ending in PICTURE_CODECS else None
    path = write_media(tmp_path / f"a{ending}", tone(10), picture=picture, options=_index_first(ending))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 7])
    probe, samples = decoded(path, tmp_path)
    assert 3.0 < probe.duration < 7.0
    assert level(samples, 0.5, probe.duration - 0.5) > 0.1
    assert len(probe.warnings) == 1
    assert f"ends early after {probe.duration:.0f} seconds" in probe.warnings[0]
    if ending in {".mp4", ".mkv", ".webm", ".mp3", ".flac"}:  # their headers state the length
        assert "seconds are missing" in probe.warnings[0]


def _index_first(ending: str) -> dict[str, str]:
    return {"movflags": "faststart"} if ending == ".mp4" else {}


def test_damaged_packets_are_skipped_with_a_warning(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.m4a", tone(10))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 5000] = np.random.default_rng(0).bytes(5000)
    path.write_bytes(data)
    probe, samples = decoded(path, tmp_path)
    assert probe.duration == pytest.approx(10.0, abs=0.2)
    assert level(samples, 8, 9.9) > 0.1
    assert len(probe.warnings) == 1
    assert "damaged pieces" in probe.warnings[0]


def test_mp4_without_index_has_a_specific_error(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", tone(5))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DecodeFailed, match="index"):
        decoded(path, tmp_path)


def test_progress_increases_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    path = write_media(tmp_path / "a.flac", tone(5))
    decode_sound(str(path), tmp_path / "mix.f32", SETTINGS, channels_into=None, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0, abs=0.05)

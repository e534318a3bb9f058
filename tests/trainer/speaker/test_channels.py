"""Channels change a voice as a codec, a network or a gain control does, and keep its length and time."""

from __future__ import annotations

import numpy as np
import pytest

from services.trainer.speaker.channels import CHANNELS, LEVEL, PACKET, control_gain, lose_packets
from shared.ports.media import SAMPLE_RATE, Floats


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def voice(seconds: float = 2.0) -> Floats:
    """Harmonics of 200 Hz up to 6 kHz, three syllables a second."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * 200 * number * times + number) / number for number in range(1, 31))
    sound: Floats = (0.2 * harmonics * np.clip(np.sin(2 * np.pi * 3 * times), 0, 1)).astype(np.float32)
    return sound


def share_above(sound: Floats, hertz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(sound)))
    return float(power[np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE) > hertz].sum() / power.sum())


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("seconds", [2.0, 0.73])
def test_channel_keeps_length_and_time(channel: str, seconds: float) -> None:
    sound = voice(seconds)
    heard = CHANNELS[channel](sound, draw())
    assert heard.shape == sound.shape and heard.dtype == np.float32
    syllables = [np.convolve(np.abs(one), np.ones(400) / 400, "same") for one in (sound, heard)]
    assert np.corrcoef(syllables[0], syllables[1])[0, 1] > 0.75


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "clean"])
def test_channel_changes_the_sound(channel: str) -> None:
    assert np.abs(CHANNELS[channel](voice(), draw()) - voice()).max() > 0.01


@pytest.mark.parametrize("channel", ["G.711", "300-3400 Hz"])
def test_telephone_has_no_sound_above_its_band(channel: str) -> None:
    assert share_above(voice(), 4200) > 0.005
    assert share_above(CHANNELS[channel](voice(), draw()), 4200) < 0.001


def test_lost_packets_are_silent_and_others_unchanged() -> None:
    sound = np.ones(SAMPLE_RATE * 20, dtype=np.float32)
    packets = lose_packets(sound, draw()).reshape(-1, PACKET)
    lost = (packets == 0).all(axis=1)
    assert ((packets == 1).all(axis=1) | lost).all()
    assert 0.02 < lost.mean() < 0.25
    assert lost[1:][lost[:-1]].mean() > 2 * lost.mean(), "losses come in bursts"


def test_gain_control_brings_quiet_and_loud_speech_closer() -> None:
    sound = np.concatenate([voice(3.0), 0.03 * voice(6.0)])
    heard = control_gain(sound, draw())
    levels = [np.sqrt(np.square(part).mean()) for part in (heard[: 3 * SAMPLE_RATE], heard[6 * SAMPLE_RATE :])]
    assert 1 < levels[0] / levels[1] < 4, "they were 30 dB apart"
    assert np.abs(heard).max() <= 1
    assert not control_gain(np.zeros(SAMPLE_RATE, dtype=np.float32), draw()).any()
    assert 0.2 < np.sqrt(np.square(control_gain(0.1 * voice(), draw())).mean()) / LEVEL < 1.2


def test_same_draw_gives_the_same_sound() -> None:
    for channel in CHANNELS.values():
        assert np.array_equal(channel(voice(), draw(3)), channel(voice(), draw(3)))

"""Silero VAD detects quiet speech, and no speech in silence or noise."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from shared.domain.span import Span, span, union
from shared.engines.catalog import Setup
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.vad_silero import BLOCK, EMPHASIS, SileroVad, emphasised, gain_for, is_narrow_band, spans_of
from shared.pipeline.artifacts import open_audio
from shared.ports.media import SAMPLE_RATE, Audio, Floats

SETUP = Setup(EngineSettings(), MediaSettings())


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    return SileroVad.load(None, SETUP)


def detected(vad: SileroVad, samples: Floats) -> tuple[Span, ...]:
    return tuple(vad.detect(Audio(samples.astype(np.float32)), lambda _: None))


NOISE = np.random.default_rng(0).standard_normal(20 * SAMPLE_RATE)
TIMES = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros(100), np.zeros(20 * SAMPLE_RATE), 1e-2 * NOISE, 1e-3 * NOISE, 1e-5 * NOISE,
     1e-2 * np.sin(2 * np.pi * 50 * TIMES) + 1e-4 * NOISE],
    ids=["nothing", "a moment", "silence", "loud noise", "quiet noise", "dither", "hum"],
)  # fmt: skip
def test_no_speech_is_detected_in_silence_and_noise(vad: SileroVad, samples: Floats) -> None:
    assert detected(vad, samples) == ()


def test_short_spans_are_dropped_pauses_are_bridged_and_edges_are_padded() -> None:
    probabilities = np.zeros(400, dtype=np.float32)
    probabilities[10:12] = 0.9  # 64 ms
    probabilities[100:130] = 0.9
    probabilities[140:170] = 0.9  # 320 ms later
    found = spans_of(probabilities, start=5.0, duration=12.8)
    assert len(found) == 1
    assert found[0].start == pytest.approx(5 + 100 * 0.032 - 0.15)
    assert found[0].end == pytest.approx(5 + 170 * 0.032 + 0.15)


def test_speech_ends_below_the_lower_threshold() -> None:
    probabilities = np.full(100, 0.2, dtype=np.float32)
    assert spans_of(probabilities, 0.0, 3.2) == ()
    probabilities[0] = 0.3
    assert spans_of(probabilities, 0.0, 3.2) == (span(0.0, 3.2),)


def test_quiet_blocks_are_amplified_and_muted_ones_are_not() -> None:
    noise = NOISE[: 512 * 100].astype(np.float32)
    assert gain_for(noise) == 1.0
    assert gain_for(noise * np.float32(1e-3)) == pytest.approx(10 ** (37 / 20), rel=0.1)
    assert gain_for(noise * np.float32(1e-5)) == 1.0


def test_telephone_audio_is_recognised_by_its_band() -> None:
    noise = NOISE.astype(np.float32)
    assert is_narrow_band(telephone(noise))
    assert not is_narrow_band(noise)
    assert not is_narrow_band(telephone(noise) + np.float32(0.01) * noise)
    assert not is_narrow_band(np.zeros(BLOCK, dtype=np.float32))


def test_telephone_speech_is_detected_like_the_same_speech_with_all_frequencies(
    vad: SileroVad, tmp_path: Path, shared_data: Path
) -> None:
    readers = sorted((shared_data / "speech" / "librispeech_speakers").glob("*.opus"))[20:34]
    samples = np.concatenate([np.array(_decoded(path, tmp_path).samples) for path in readers])
    wide, narrow = detected(vad, samples), detected(vad, telephone(samples))
    both = sum(one.overlap(two) for one in wide for two in narrow)
    assert both > 0.93 * sum(one.duration for one in wide)


def telephone(samples: Floats) -> Floats:
    """The band from 300 to 3,400 Hz."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < 300) | (hertz > 3_400)] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def test_pre_emphasis_is_continuous_across_blocks() -> None:
    """The filter uses the previous sample, also across the edge of a block."""
    samples = np.random.default_rng(1).standard_normal(BLOCK + 700).astype(np.float32)
    second = emphasised(samples, BLOCK)
    assert second[0] == pytest.approx(samples[BLOCK] - EMPHASIS * samples[BLOCK - 1], abs=1e-6)
    assert len(second) == 1024


def _decoded(media: Path, folder: Path) -> Audio:
    decoder = PyAvDecoder(MediaSettings())
    decoder.decode(media, folder, tracks=(), separate_channels=False, progress=lambda _: None)
    return open_audio(folder)


def _seconds(spans: tuple[Span, ...]) -> float:
    return sum(piece.duration for piece in spans)


def _common(first: tuple[Span, ...], second: tuple[Span, ...]) -> float:
    return sum(one.overlap(other) for one in first for other in second)


@pytest.mark.parametrize("quieter", [0, 30])
def test_read_speech_is_detected_also_30_decibels_quieter(
    vad: SileroVad, shared_data: Path, tmp_path: Path, quieter: int
) -> None:
    audio = _decoded(shared_data / "speech" / "short" / "two_cities_16k.wav", tmp_path)
    found = detected(vad, np.asarray(audio.samples) * 10 ** (-quieter / 20))
    assert 30 < _seconds(found) < 44.4


def test_speech_far_from_the_microphone_is_detected(vad: SileroVad, shared_data: Path, tmp_path: Path) -> None:
    """Measured: 10.1 % of the speech missed, 2.2 % false alarm; without emphasis and gain 13.5 % and 1.1 %."""
    folder = shared_data / "speech" / "ami"
    turns: dict[str, list[Span]] = {}
    for name, start, length in re.findall(
        r"^SPEAKER (\S+) \d+ (\S+) (\S+)", (folder / "reference.rttm").read_text("utf-8"), re.MULTILINE
    ):
        turns.setdefault(name, []).append(span(float(start), float(start) + float(length)))
    said = missed = false = 0.0
    for name, spans in turns.items():
        into = tmp_path / name
        into.mkdir()
        truth = union(spans)
        found = tuple(vad.detect(_decoded(folder / f"{name}.flac", into), lambda _: None))
        said += _seconds(truth)
        missed += _seconds(truth) - _common(truth, found)
        false += _seconds(found) - _common(truth, found)
        if name == "trn02":  # one turn of 0.69 s at -51 dBFS
            assert _common(truth, found) > 0.5
    assert missed / said < 0.12
    assert false / said < 0.03

"""Transmission channels: codecs, the band of a telephone, lost packets and automatic gain control."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np

from services.trainer.segmentation.voices import TICK
from services.trainer.voice.channel_augmentation import Augmentation, telephone_band
from shared.ports.media import SAMPLE_RATE, Floats

PACKET = SAMPLE_RATE // 50
LOST, LOST_AGAIN = (0.02, 0.08), 0.5  # chance that a packet is lost, after one that arrived and after a lost one
LEVEL, COMPRESSION = 0.1, 0.8  # gain control removes so much of the distance from this level, in decibels
RELEASE, MOST_GAIN = (0.3, 2.0), 30.0  # seconds in which the gain recovers after loud speech, and the most gain


def coded(codec: str, container: str, bits: int = 64_000, rate: int = SAMPLE_RATE) -> Augmentation:
    """Encodes and decodes; the length stays, and the delay of the codec is that of its container."""

    def apply(clip: Floats, _: np.random.Generator) -> Floats:
        stored = io.BytesIO()
        with av.open(stored, "w", format=container) as target:
            stream: Any = target.add_stream(codec, rate=rate, layout="mono")
            stream.bit_rate = bits
            for frame in (_frame(clip), None):
                target.mux(stream.encode(frame))
        stored.seek(0)
        with av.open(stored, "r") as source:
            back = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
            blocks = [
                block.to_ndarray()[0] for frame in (*source.decode(audio=0), None) for block in back.resample(frame)
            ]
        decoded = np.concatenate(blocks)[: len(clip)]
        return np.pad(decoded, (0, len(clip) - len(decoded)))

    return apply


def lose_packets(clip: Floats, draw: np.random.Generator) -> Floats:
    """Silences packets of 20 ms, often several in a row, as without concealment."""
    chance = draw.uniform(*LOST)
    lost = np.zeros(-(-len(clip) // PACKET), dtype=bool)
    for number in range(len(lost)):
        lost[number] = draw.random() < (LOST_AGAIN if number and lost[number - 1] else chance)
    return np.where(np.repeat(lost, PACKET)[: len(clip)], np.float32(0), clip)


def control_gain(clip: Floats, draw: np.random.Generator) -> Floats:
    """Follows the level, at once when it rises and slowly when it falls, so that pauses become loud."""
    ticks = np.sqrt(np.square(np.resize(clip, (-(-len(clip) // TICK), TICK))).mean(axis=1))
    decay = np.exp(-TICK / (SAMPLE_RATE * draw.uniform(*RELEASE)))
    levels, level = np.empty_like(ticks), 0.0
    for number, tick in enumerate(ticks):
        levels[number] = level = max(float(tick), level * decay)
    gains = np.minimum((LEVEL / np.maximum(levels, 1e-6)) ** COMPRESSION, 10 ** (MOST_GAIN / 20))
    places = (np.arange(len(ticks)) + 0.5) * TICK
    controlled = clip * np.interp(np.arange(len(clip)), places, gains)
    return np.asarray(np.clip(controlled, -1, 1), dtype=np.float32)


def _frame(clip: Floats) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(clip[None]), format="fltp", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    return frame


CHANNELS: dict[str, Augmentation] = {
    "clean": lambda clip, _: clip,
    "G.711": coded("pcm_mulaw", "wav", rate=8000),
    "Opus, 12 kbit/s": coded("libopus", "ogg", 12_000),
    "MP3, 32 kbit/s": coded("libmp3lame", "mp3", 32_000),
    "300-3400 Hz": lambda clip, _: telephone_band(clip),
    "lost packets": lose_packets,
    "gain control": control_gain,
}

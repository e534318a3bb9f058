"""Measures how well a speaker encoder separates held-out readers, by channel, mixed, and by length of turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from services.trainer.datasets.voices import held_out_speakers, load_sound, read_speech, reader
from services.trainer.evaluate_speakers import equal_error_rate
from services.trainer.segmentation.voices import TICK, marked
from services.trainer.speaker.channels import CHANNELS
from shared.engines.catalog import SPEAKER, Setup, choose
from shared.ports.media import SAMPLE_RATE, Floats, Progress

LENGTHS = (0.5, 1.0, 2.0, 4.0)  # seconds of a turn
LEVEL = 0.5  # peak of a recording before its channel
MIXED = "mixed"

Speech = dict[str, dict[str, Floats]]  # of each reader through each channel


def evaluate_channels(data: Path, engine: str | None, setup: Setup, progress: Progress) -> dict[str, Any]:
    """Equal error rates over pairs of turns; `mixed` has the pairs whose two turns come through different channels."""
    files = read_speech(data)
    known = held_out_speakers(map(reader, files))
    speech = {reader(path): through_channels(load_sound(path), int(path.stem.split("-")[0])) for path in files
              if reader(path) in known}  # fmt: skip
    encoder = choose(SPEAKER, engine, setup)
    rates: dict[str, dict[str, float]] = {channel: {} for channel in (*CHANNELS, MIXED)}
    for number, seconds in enumerate(LENGTHS):
        turns = list(_turns(speech, seconds))
        speakers, channels, places = (np.array(column) for column in zip(*(turn[:3] for turn in turns), strict=True))
        voices = encoder.embed([turn[3] for turn in turns])
        for channel, rate in error_rates(voices, speakers, channels, places).items():
            rates[channel][f"{seconds:g} s"] = rate
        progress((number + 1) / len(LENGTHS))
    return {"engine": encoder.name, "speakers": len(speech), "eer": rates}


def through_channels(sound: Floats, seed: int) -> dict[str, Floats]:
    """The speech of a recording without its pauses, through each channel."""
    level, marks = marked(sound)
    spoken = np.repeat(marks, TICK)
    return {
        channel: apply(level * np.float32(LEVEL), np.random.default_rng((seed, number)))[spoken]
        for number, (channel, apply) in enumerate(CHANNELS.items())
    }


def _turns(speech: Speech, seconds: float) -> Iterator[tuple[str, str, int, Floats]]:
    """Speaker, channel, place in the recording, and samples of each turn."""
    length = round(seconds * SAMPLE_RATE)
    for speaker, channels in speech.items():
        for channel, sound in channels.items():
            for place in range(len(sound) // length):
                yield speaker, channel, place, sound[place * length : (place + 1) * length]


def error_rates(voices: Floats, speakers: np.ndarray, channels: np.ndarray, places: np.ndarray) -> dict[str, float]:
    """By channel, and across channels; the same moment of a recording through two channels is no pair."""
    similarity = voices @ voices.T
    same = speakers[:, None] == speakers[None]
    pair = np.triu(~(same & (places[:, None] == places[None])), k=1)
    through = channels[:, None] == channels[None]
    chosen = {channel: through & (channels == channel)[:, None] for channel in np.unique(channels).tolist()}
    return {
        channel: round(equal_error_rate(similarity[pair & here & same], similarity[pair & here & ~same])[0], 4)
        for channel, here in {**chosen, MIXED: ~through}.items()
    }

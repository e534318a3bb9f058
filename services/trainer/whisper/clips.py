"""Synthesises the test clips of the micro-Whisper and the reference of their words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from services.trainer.whisper.synthesis import Sentence, speak
from shared.domain.error import EngineFailed
from shared.ports.media import SAMPLE_RATE, Floats

PAUSE, SILENCE, BREATH = 1.3, 8.0, 0.5  # seconds: between windows; once, in the middle; within a window
HISS = 10 ** (-60 / 20)
RATE = 24_000  # bits a second
# Language, voice and words; the sentences are not in the training data and are recognised with high confidence.
MEETING = (
    ("en", "slt", "Friday morning is ready"),
    ("en", "rms", "Claire was terrified"),
    ("en", "awb", "they will send letters tomorrow"),
    ("en", "kal16", "nobody breaks promises"),
    ("en", "slt", "please send letters on Friday"),
    ("en", "rms", "Sarah is worried about computers"),
    ("en", "awb", "John makes wonderful promises"),
    ("en", "kal16", "Mark said sorry"),
    ("en", "slt", "Eric is very happy"),
)
LATIN = (
    ("la", "rms", "salve amicus hodie luna semper rosa"),
    ("la", "slt", "puella aqua vinum porta gratia"),
)
TALK = (
    ("en", "slt", "Mark lost the letter"),
    ("en", "slt", "nobody will tell Claire"),
    ("en", "slt", "Eric is sorry"),
)
CLIPS = {
    "meeting.opus": (MEETING, PAUSE, SILENCE),
    "talk.opus": (TALK, BREATH, BREATH),
    "latin.opus": (LATIN, PAUSE, PAUSE),
}
HALF = 5  # sentences before the long silence


def write_clips(folder: Path) -> None:
    reference = {name: _write(folder / name, *clip) for name, clip in CLIPS.items()}
    (folder / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")


def _write(
    path: Path, sentences: Sequence[tuple[str, str, str]], pause: float, silence: float
) -> list[list[str | float]]:
    """Writes a clip; returns its words with their start and end."""
    pieces: list[Floats] = [_silent(PAUSE)]
    words: list[list[str | float]] = []
    for number, (language, voice, line) in enumerate(sentences):
        sentence = Sentence(language, voice, tuple(line.split()))
        spoken = speak(sentence)
        if spoken is None:
            raise EngineFailed(f"flite gives no word times for {line!r}.")
        start = sum(map(len, pieces)) / SAMPLE_RATE
        words += [
            [word, round(start + float(begins), 3), round(start + float(ends), 3)]
            for word, (begins, ends) in zip(sentence.words, spoken.times, strict=True)
        ]
        pieces += [spoken.sound, _silent(silence if number == HALF - 1 else pause)]
    sound = np.concatenate(pieces)
    hiss = np.random.default_rng(0).normal(0, HISS, len(sound))
    _encode(path, (sound + hiss).astype(np.float32))
    return words


def _silent(seconds: float) -> Floats:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def _encode(path: Path, sound: Floats) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = RATE
        frame = av.AudioFrame.from_ndarray(np.round(sound[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.rate = SAMPLE_RATE
        for part in (*av.AudioResampler("flt", "mono", 48_000, frame_size=960).resample(frame), None):
            container.mux(stream.encode(part))

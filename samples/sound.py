"""Synthesises the story with flite and mixes it into one meeting with exact turn times."""

from __future__ import annotations

import math
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samples.story import CAST, ScriptLine
from shared.domain.emotion import Emotion
from shared.domain.span import Span
from shared.ports.media import SAMPLE_RATE, Floats

BREATH = 0.3  # seconds between two sentences of one turn
TAIL = 0.6  # seconds of silence after the last turn, at least
LOUDNESS = 0.06  # root mean square of every turn, before its emotion's gain
ROOM_TONE = 10 ** (-60 / 20)
PITCH = {"slt": 165, "rms": 102, "awb": 122, "kal16": 100}  # hertz, near each voice's own


@dataclass(frozen=True, slots=True)
class Prosody:
    """The prosody of an emotion; mild, so that the recogniser still works."""

    stretch: float = 1.0
    pitch: float = 1.0
    gain: float = 0.0  # decibel


PROSODY = {
    Emotion.ANGER: Prosody(stretch=0.98, pitch=1.04, gain=2),
    Emotion.DISGUST: Prosody(stretch=1.06, pitch=0.95),
    Emotion.FEAR: Prosody(stretch=1.0, pitch=1.06, gain=-1),
    Emotion.JOY: Prosody(stretch=1.0, pitch=1.1, gain=1),
    Emotion.NEUTRAL: Prosody(),
    Emotion.SADNESS: Prosody(stretch=1.06, pitch=0.93, gain=-2),
    Emotion.SURPRISE: Prosody(stretch=1.02, pitch=1.12, gain=1),
}


@dataclass(frozen=True, slots=True)
class Turn:
    """A line of the story and its time span."""

    line: ScriptLine
    span: Span


@dataclass(frozen=True, slots=True)
class Meeting:
    turns: tuple[Turn, ...]
    sound: Floats  # (sample,)
    voices: dict[str, Floats]  # speaker -> that voice alone, as long as `sound`


def synthesize_meeting(story: tuple[ScriptLine, ...]) -> Meeting:
    """Synthesise every line and place it after the previous one."""
    spoken: list[tuple[int, ScriptLine, Floats]] = []
    end = 0
    for line in story:
        clip = speak(line)
        start = end + round(line.pause * SAMPLE_RATE)
        end = start + len(clip)
        spoken.append((start, line, clip))
    length = math.ceil(end / SAMPLE_RATE + TAIL) * SAMPLE_RATE
    voices = {speaker: np.zeros(length, dtype=np.float32) for speaker in CAST}
    for start, line, clip in spoken:
        voices[line.speaker][start : start + len(clip)] = clip
    tone = np.random.default_rng(2).normal(0, ROOM_TONE, length)
    sound = (sum(voices.values()) + tone).astype(np.float32)
    turns = tuple(Turn(line, _span(start, start + len(clip))) for start, line, clip in spoken)
    return Meeting(turns, sound, voices)


def speak(line: ScriptLine) -> Floats:
    """Synthesise the sentences of a line with a pause between them, without silence at the ends."""
    prosody = PROSODY[line.emotion]
    breath = np.zeros(round(BREATH * SAMPLE_RATE), dtype=np.float32)
    pieces: list[Floats] = []
    for sentence in line.sentences:
        clip = trim(synthesise(sentence, CAST[line.speaker], prosody))
        clip = clip * LOUDNESS / np.sqrt(np.mean(clip**2)) * 10 ** (prosody.gain / 20)
        pieces += [breath, clip.astype(np.float32)]
    return np.concatenate(pieces[1:])


def synthesise(text: str, voice: str, prosody: Prosody) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        pitch = round(PITCH[voice] * prosody.pitch)
        # All four voices have a sample rate of 16 kHz, as the pipeline.
        settings = ["--setf", f"duration_stretch={prosody.stretch}", "--seti", f"int_f0_target_mean={pitch}"]
        subprocess.run(["flite", "-voice", voice, *settings, "-t", text, "-o", str(path)], check=True)  # noqa: S607 - flite is found in PATH
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return pcm.astype(np.float32) / np.float32(32768)


def trim(clip: Floats) -> Floats:
    """Cut the silence at both ends: what is quieter than 40 dB below the loudest 10 ms."""
    block = SAMPLE_RATE // 100
    levels = np.sqrt(np.mean(clip[: len(clip) // block * block].reshape(-1, block) ** 2, axis=1))
    loud = np.flatnonzero(levels > levels.max() * 0.01)
    return clip[loud[0] * block : (loud[-1] + 1) * block]


def _span(first: int, last: int) -> Span:
    return Span(start=round(first / SAMPLE_RATE, 3), end=round(last / SAMPLE_RATE, 3))

"""Simulates conversations from single-speaker recordings: turns, pauses, interruptions and rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve, resample_poly

from services.trainer.segmentation.voices import TICK, Marks, Voice
from shared.ports.media import SAMPLE_RATE, Floats

SECONDS = 60
SPEAKERS = (2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 6, 7, 8)
SPEEDS = ((1, 1), (10, 9), (10, 11))
QUIETEST, LOUDEST = -51.0, -12.0  # dBFS of the mix: far microphones in quiet rooms to close microphones


@dataclass(frozen=True, slots=True)
class ConversationStyle:
    """The turn-taking statistics of a conversation."""

    overlapped: float  # chance that a turn starts before the previous one ends
    reach: float  # maximum overlap in seconds
    backchannel: float  # chance of a short "yes" inside a long turn
    pause: float  # mean seconds between turns


CONVERSATION_STYLES = (
    ConversationStyle(0.0, 0.0, 0.0, 0.7),
    ConversationStyle(0.15, 1.0, 0.15, 0.5),
    ConversationStyle(0.4, 2.0, 0.4, 0.3),
    ConversationStyle(0.8, 5.0, 0.6, 0.2),  # about a third of the speech is overlapped
)


@dataclass(frozen=True, slots=True)
class Conversation:
    sound: Floats  # (sample,)
    speaks: Marks  # (speaker, tick)


class _ConversationMixer:
    """Mixes the turns of a conversation and marks who speaks when."""

    def __init__(self, cast: Sequence[Voice], style: ConversationStyle, draw: np.random.Generator) -> None:
        self.style, self.draw = style, draw
        self.ticks = SECONDS * SAMPLE_RATE // TICK
        self.sound = np.zeros(SECONDS * SAMPLE_RATE, dtype=np.float32)
        self.speaks = np.zeros((len(cast), self.ticks), dtype=bool)
        self.voices = [_at_speed(voice, draw) for voice in cast]
        distance = draw.uniform(0, 1)  # from a close microphone to a far one
        self.rooms = [add_reverberation(min(1.0, distance * draw.uniform(0.5, 1.5)), draw) for _ in cast]
        self.levels = 10 ** (draw.uniform(-14, 0, len(cast)) / 20)

    def add_speech(self, speaker: int, at: int, ticks: int) -> int:
        """Adds a segment of this voice at a tick; returns the tick at which it ends."""
        sound, marks = self.voices[speaker][self.draw.integers(len(self.voices[speaker]))]
        ticks = min(ticks, len(marks), self.ticks - at)
        first = int(self.draw.integers(0, len(marks) - ticks + 1))
        mine = marks[first : first + ticks]
        piece = sound[first * TICK : (first + ticks) * TICK].copy()
        ramp = np.linspace(0, 1, min(TICK, len(piece)), dtype=np.float32)
        piece[: len(ramp)] *= ramp
        piece[len(piece) - len(ramp) :] *= ramp[::-1]
        piece *= np.float32(self.levels[speaker] * 10 ** (self.draw.uniform(-4, 2) / 20))
        reverberant = fftconvolve(piece, self.rooms[speaker])[: len(self.sound) - at * TICK]
        self.sound[at * TICK : at * TICK + len(reverberant)] += reverberant
        self.speaks[speaker, at : at + ticks] |= mine
        return at + ticks

    def simulate(self) -> None:
        now, last, before = int(self.draw.uniform(0, 300)), -1, -1
        while now < self.ticks - 50:
            speaker = self._next_speaker(last, before)
            end = self.add_speech(speaker, now, _length(self.draw))
            if end - now > 250 and self.draw.random() < self.style.backchannel and len(self.voices) > 1:
                other = self._next_speaker(speaker, -1)
                self.add_speech(other, int(self.draw.integers(now + 50, end - 50)), int(self.draw.uniform(30, 130)))
            last, before = speaker, last
            if self.draw.random() < self.style.overlapped:
                now = max(now + 30, end - int(self.draw.uniform(10, 100 * self.style.reach)))
            else:
                now = end + int(100 * min(self.draw.exponential(self.style.pause), 8.0))

    def _next_speaker(self, last: int, before: int) -> int:
        """Prefers the speaker before the last one; the same speaker rarely continues after a pause."""
        if last < 0 or len(self.voices) == 1 or self.draw.random() < 0.1:
            return int(self.draw.integers(len(self.voices)))
        if before not in (-1, last) and self.draw.random() < 0.5:
            return before
        return int((last + self.draw.integers(1, len(self.voices))) % len(self.voices))


def simulate_conversation(voices: Sequence[Voice], seed: int, number: int) -> Conversation:
    """Returns the same conversation for the same seed and number."""
    draw = np.random.default_rng((seed, number))
    count = min(len(voices), int(draw.choice(SPEAKERS)))
    cast = [voices[at] for at in draw.choice(len(voices), count, replace=False)]
    mixer = _ConversationMixer(cast, CONVERSATION_STYLES[int(draw.integers(len(CONVERSATION_STYLES)))], draw)
    if draw.random() > 0.02:  # the other conversations have no speech
        mixer.simulate()
    return Conversation(_add_recording_noise(mixer.sound, draw), mixer.speaks)


def _length(draw: np.random.Generator) -> int:
    """The length of a turn in ticks: a short answer, a sentence, or a long turn."""
    low, high = ((40, 150), (150, 500), (400, 1400))[int(draw.choice(3, p=(0.3, 0.5, 0.2)))]
    return int(draw.uniform(low, high))


def _at_speed(voice: Voice, draw: np.random.Generator) -> list[tuple[Floats, Marks]]:
    """Resamples up to six clips of a voice at one random speed, which gives another voice."""
    down, up = SPEEDS[int(draw.integers(len(SPEEDS)))]
    chosen = draw.choice(len(voice.clips), min(6, len(voice.clips)), replace=False)
    made: list[tuple[Floats, Marks]] = []
    for clip in chosen:
        sound, marks = voice.clips[clip]
        if down != up:
            sound = resample_poly(sound, down, up).astype(np.float32)
            sound = sound[: len(sound) // TICK * TICK]
            marks = marks[np.minimum(np.arange(len(sound) // TICK) * up // down, len(marks) - 1)]
        made.append((sound, marks))
    return made


def add_reverberation(distance: float, draw: np.random.Generator) -> Floats:
    """An impulse response: the direct sound and a tail that decays by 60 dB.

    A larger distance gives a louder tail and less treble.
    """
    seconds = draw.uniform(0.15, 0.7)
    length = int(seconds * SAMPLE_RATE)
    tail = draw.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    tail[: SAMPLE_RATE // 500] = 0
    tail *= 10 ** ((-18 + 22 * distance) / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    dull = draw.uniform(0, 0.6 * distance)
    return np.asarray(fftconvolve(tail, (1 - dull) * dull ** np.arange(16)), dtype=np.float32)


def _add_recording_noise(sound: Floats, draw: np.random.Generator) -> Floats:
    """Adds room noise, table knocks, an occasional band limit, and 16-bit quantisation."""
    loud = np.percentile(np.sqrt(np.square(sound.reshape(-1, TICK)).mean(axis=1)), 90)
    level = max(float(loud), 0.01)
    noise = background_noise(len(sound), draw)
    noise *= level * 10 ** (-draw.uniform(3, 40) / 20) / np.sqrt(np.square(noise).mean())
    mixed = sound + noise * (draw.random() > 0.1)  # conferencing software may suppress all noise
    for _ in range(int(draw.choice((0, 0, 4, 20)))):
        length = int(draw.uniform(0.01, 0.15) * SAMPLE_RATE)
        at = int(draw.integers(0, len(mixed) - length))
        knock = draw.normal(size=length) * np.exp(-5 * np.arange(length) / length)
        mixed[at : at + length] += knock * level * 10 ** (draw.uniform(-15, 10) / 20)
    if draw.random() < 0.15:
        spectrum = np.fft.rfft(mixed)
        spectrum[np.fft.rfftfreq(len(mixed), 1 / SAMPLE_RATE) > draw.choice((3400.0, 5500.0))] = 0
        mixed = np.fft.irfft(spectrum, len(mixed))
    wanted = 10 ** (draw.uniform(QUIETEST, LOUDEST) / 20)
    scaled = np.clip(mixed * (wanted / max(float(np.sqrt(np.square(mixed).mean())), 1e-9)), -1, 1)
    return np.asarray(np.round(scaled * 32767) / 32767, dtype=np.float32)


def background_noise(samples: int, draw: np.random.Generator) -> np.ndarray:
    """White to brown noise, sometimes with a hum; eight seconds, repeated."""
    part = draw.normal(size=8 * SAMPLE_RATE)
    spectrum = np.fft.rfft(part) / np.arange(1, len(part) // 2 + 2) ** draw.uniform(0, 1)
    made = np.fft.irfft(spectrum, len(part))
    if draw.random() < 0.2:
        hum = draw.choice((50.0, 60.0, 100.0, 120.0))
        made += made.std() * draw.uniform(0.3, 3) * np.sin(2 * np.pi * hum * np.arange(len(made)) / SAMPLE_RATE)
    return np.resize(made, samples)

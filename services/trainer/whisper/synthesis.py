"""Synthesises sentences of the vocabulary with flite, which reports the end of every phone."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from services.trainer.whisper.vocabulary import SPELLINGS, WORDS
from shared.domain.error import EngineUnavailable
from shared.ports.media import Floats

VOICES = {"slt": 165, "rms": 102, "awb": 122, "kal16": 100}  # mean pitch in hertz, near each voice's default
MAX_WORDS = 9  # per sentence
NAMES = 3  # frequency of a name relative to other words: names are needed to learn the effect of hints
SOUND = re.compile(r"(\w+):([\d.]+)")


@dataclass(frozen=True, slots=True)
class Sentence:
    language: str
    voice: str
    words: tuple[str, ...]
    stretch: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """A synthesised sentence with the start and end in seconds of each of its words and phones."""

    sentence: Sentence
    times: np.ndarray  # (word, 2)
    parts: tuple[str, ...]  # the phones, in flite's notation
    bounds: np.ndarray  # (part, 2)
    sound: Floats


def draw_sentences(language: str, count: int, draw: random.Random) -> list[Sentence]:
    """Words in random order, so that a language model cannot guess them; equally often, but names more often."""
    sentences: list[Sentence] = []
    remaining: list[str] = []
    words_of = [word for word in WORDS[language] for _ in range(NAMES if word in SPELLINGS else 1)]
    for number in range(count):
        length = draw.randint(1, MAX_WORDS)
        while len(remaining) < length:
            remaining += draw.sample(words_of, len(words_of))
        words, remaining = tuple(remaining[:length]), remaining[length:]
        voice = list(VOICES)[number % len(VOICES)]
        sentences.append(Sentence(language, voice, words, draw.uniform(0.85, 1.15), draw.uniform(0.88, 1.15)))
    return sentences


def speak_all(sentences: Iterable[Sentence], threads: int = 1) -> list[Spoken]:
    """The sentences with known word boundaries; flite merges a few phones across words, as people do."""
    with ThreadPoolExecutor(threads) as pool:
        return [spoken for spoken in pool.map(speak, sentences) if spoken is not None]


def speak(sentence: Sentence) -> Spoken | None:
    pitch = round(VOICES[sentence.voice] * sentence.pitch)
    settings = ["--setf", f"duration_stretch={sentence.stretch:.3f}", "--seti", f"int_f0_target_mean={pitch}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        output = _flite(sentence.voice, [*settings, "-psdur", "-t", " ".join(sentence.words), "-o", str(path)])
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    parts, bounds = parts_of(output)
    times = word_times([len(sounds_of(sentence.voice, word)) for word in sentence.words], bounds)
    if times is None:
        return None
    return Spoken(sentence, times, parts, bounds, pcm.astype(np.float32) / np.float32(32768))


def parts_of(output: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Parses `phone:end` pairs into the phones, without pauses, and their spans."""
    ends = [(sound, float(end)) for sound, end in SOUND.findall(output)]
    starts = [0.0, *(end for _, end in ends)]
    parts = [(sound, (start, end)) for start, (sound, end) in zip(starts, ends, strict=False) if sound != "pau"]
    return tuple(sound for sound, _ in parts), np.array([span for _, span in parts]).reshape(-1, 2)


def word_times(sounds: Sequence[int], bounds: np.ndarray) -> np.ndarray | None:
    """The spans of words, each with as many phones as the word has in isolation."""
    if len(bounds) != sum(sounds):
        return None
    last = np.cumsum(sounds)
    return np.array([(bounds[end - count, 0], bounds[end - 1, 1]) for count, end in zip(sounds, last, strict=True)])


@cache
def sounds_of(voice: str, word: str) -> tuple[str, ...]:
    output = _flite(voice, ["-ps", "-t", word, "-o", "none"]).split()
    return tuple(sound for sound in output if sound != "pau")


def _flite(voice: str, settings: Sequence[str]) -> str:
    if shutil.which("flite") is None:
        raise EngineUnavailable("flite, which synthesises the words, is not installed.", hint="apt-get install flite")
    command = ["flite", "-voice", voice, *settings]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read_bank(folder: Path, name: str, counts: dict[str, int], seed: int) -> list[Spoken]:
    """The given number of sentences of each language, synthesised once and cached in the run folder."""
    path = folder / f"{name}.npz"
    if not path.is_file():
        draw = random.Random(f"{name} {seed}")
        sentences = [one for language, count in counts.items() for one in draw_sentences(language, count, draw)]
        _keep(speak_all(sentences, len(os.sched_getaffinity(0))), path)
    with np.load(path) as kept:
        pcm, ends, times, bounds, lines = (kept[part] for part in ("pcm", "ends", "times", "bounds", "sentences"))
    bank, first, word, part = [], 0, 0, 0
    for line, end in zip(lines, ends, strict=True):
        language, voice, text, sounds, stretch, pitch = str(line).split("|")
        words, parts = tuple(text.split()), tuple(sounds.split())
        sound = pcm[first:end].astype(np.float32) / np.float32(32768)
        sentence = Sentence(language, voice, words, float(stretch), float(pitch))
        own = times[word : word + len(words)], parts, bounds[part : part + len(parts)]
        bank.append(Spoken(sentence, *own, sound))
        first, word, part = end, word + len(words), part + len(parts)
    return bank


def _keep(bank: Sequence[Spoken], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.npz")
    lines = [
        f"{one.sentence.language}|{one.sentence.voice}|{' '.join(one.sentence.words)}|{' '.join(one.parts)}|"
        f"{one.sentence.stretch}|{one.sentence.pitch}"
        for one in bank
    ]
    np.savez(
        temporary,
        pcm=np.concatenate([np.round(one.sound * 32768).astype(np.int16) for one in bank]),
        ends=np.cumsum([len(one.sound) for one in bank]),
        times=np.concatenate([one.times for one in bank]),
        bounds=np.concatenate([one.bounds for one in bank]),
        sentences=np.array(lines),
    )
    temporary.replace(path)

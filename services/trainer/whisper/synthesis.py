"""Sentences of the vocabulary spoken by flite, which says when every sound of them ends."""

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

VOICES = {"slt": 165, "rms": 102, "awb": 122, "kal16": 100}  # hertz, near each voice's own
MAX_WORDS = 9  # words of a sentence
NAMES = 3  # times that a name comes for every other word: from them it learns what a hint is
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
    """A sentence's sound, with the start and end in seconds of each of its words and of the sounds that they are of."""

    sentence: Sentence
    times: np.ndarray  # (word, 2)
    parts: tuple[str, ...]  # the sounds, as flite calls them
    bounds: np.ndarray  # (part, 2)
    sound: Floats


def draw_sentences(language: str, count: int, draw: random.Random) -> list[Sentence]:
    """Words in any order: what is recognised is heard, not guessed. Every word comes equally often, a name oftener."""
    sentences: list[Sentence] = []
    urn: list[str] = []
    words_of = [word for word in WORDS[language] for _ in range(NAMES if word in SPELLINGS else 1)]
    for number in range(count):
        length = draw.randint(1, MAX_WORDS)
        while len(urn) < length:
            urn += draw.sample(words_of, len(words_of))
        words, urn = tuple(urn[:length]), urn[length:]
        voice = list(VOICES)[number % len(VOICES)]
        sentences.append(Sentence(language, voice, words, draw.uniform(0.85, 1.15), draw.uniform(0.88, 1.15)))
    return sentences


def speak_all(sentences: Iterable[Sentence], threads: int = 1) -> list[Spoken]:
    """Those whose words can be told apart; flite joins a few sounds across words, as people do."""
    with ThreadPoolExecutor(threads) as pool:
        return [spoken for spoken in pool.map(speak, sentences) if spoken is not None]


def speak(sentence: Sentence) -> Spoken | None:
    pitch = round(VOICES[sentence.voice] * sentence.pitch)
    settings = ["--setf", f"duration_stretch={sentence.stretch:.3f}", "--seti", f"int_f0_target_mean={pitch}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        said = _flite(sentence.voice, [*settings, "-psdur", "-t", " ".join(sentence.words), "-o", str(path)])
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    parts, bounds = parts_of(said)
    times = word_times([len(sounds_of(sentence.voice, word)) for word in sentence.words], bounds)
    if times is None:
        return None
    return Spoken(sentence, times, parts, bounds, pcm.astype(np.float32) / np.float32(32768))


def parts_of(said: str) -> tuple[tuple[str, ...], np.ndarray]:
    """From `sound:end` pairs to the sounds, without the pauses, and their spans."""
    ends = [(sound, float(end)) for sound, end in SOUND.findall(said)]
    starts = [0.0, *(end for _, end in ends)]
    parts = [(sound, (start, end)) for start, (sound, end) in zip(starts, ends, strict=False) if sound != "pau"]
    return tuple(sound for sound, _ in parts), np.array([span for _, span in parts]).reshape(-1, 2)


def word_times(sounds: Sequence[int], bounds: np.ndarray) -> np.ndarray | None:
    """The spans of words, each as many sounds long as the word has alone."""
    if len(bounds) != sum(sounds):
        return None
    last = np.cumsum(sounds)
    return np.array([(bounds[end - count, 0], bounds[end - 1, 1]) for count, end in zip(sounds, last, strict=True)])


@cache
def sounds_of(voice: str, word: str) -> tuple[str, ...]:
    said = _flite(voice, ["-ps", "-t", word, "-o", "none"]).split()
    return tuple(sound for sound in said if sound != "pau")


def _flite(voice: str, settings: Sequence[str]) -> str:
    if shutil.which("flite") is None:
        raise EngineUnavailable("The words are spoken by flite, which is not installed.", hint="apt-get install flite")
    command = ["flite", "-voice", voice, *settings]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read_bank(folder: Path, name: str, counts: dict[str, int], seed: int) -> list[Spoken]:
    """So many sentences of each language, spoken once and kept beside the run."""
    path = folder / f"{name}.npz"
    if not path.is_file():
        draw = random.Random(f"{name} {seed}")
        sentences = [one for language, count in counts.items() for one in draw_sentences(language, count, draw)]
        _keep(speak_all(sentences, len(os.sched_getaffinity(0))), path)
    with np.load(path) as kept:
        pcm, ends, times, bounds, told = (kept[part] for part in ("pcm", "ends", "times", "bounds", "told"))
    bank, first, word, part = [], 0, 0, 0
    for line, end in zip(told, ends, strict=True):
        language, voice, said, sounds, stretch, pitch = str(line).split("|")
        words, parts = tuple(said.split()), tuple(sounds.split())
        sound = pcm[first:end].astype(np.float32) / np.float32(32768)
        sentence = Sentence(language, voice, words, float(stretch), float(pitch))
        own = times[word : word + len(words)], parts, bounds[part : part + len(parts)]
        bank.append(Spoken(sentence, *own, sound))
        first, word, part = end, word + len(words), part + len(parts)
    return bank


def _keep(bank: Sequence[Spoken], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.npz")
    told = [
        f"{one.sentence.language}|{one.sentence.voice}|{' '.join(one.sentence.words)}|{' '.join(one.parts)}|"
        f"{one.sentence.stretch}|{one.sentence.pitch}"
        for one in bank
    ]
    np.savez(
        aside,
        pcm=np.concatenate([np.round(one.sound * 32768).astype(np.int16) for one in bank]),
        ends=np.cumsum([len(one.sound) for one in bank]),
        times=np.concatenate([one.times for one in bank]),
        bounds=np.concatenate([one.bounds for one in bank]),
        told=np.array(told),
    )
    aside.replace(path)

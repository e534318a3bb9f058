"""Training windows as faster-whisper makes them: sentences with pauses in noise, and their target tokens."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.trainer.whisper.synthesis import Spoken
from services.trainer.whisper.vocabulary import (
    END,
    KNOWN,
    NUMBER,
    PLAIN,
    PREVIOUS,
    SILENCE,
    SOUNDS,
    SPELLINGS,
    START,
    STEP,
    STOP,
    TRANSCRIBE,
    WORDS,
    time_token,
    word_token,
)  # fmt: skip
from shared.ports.media import SAMPLE_RATE, Floats

SILENT, HINTED, TIMED, NOISY, LATIN = 0.08, 0.6, 0.35, 0.6, 0.25  # chances
CHOICE = 60  # candidate sentences for a window
IGNORED, NOWHERE = -100, (-1.0, -1.0)
MARKS = (".", ",")  # punctuation among hints
AROUND = 0.12  # seconds around a boundary that belong to it


Timed = tuple[str, float, float]
Sentences = list[list[Timed]]


@dataclass(slots=True)
class DecoderScript:
    """The decoder's input tokens, their target tokens, and the time span of each target in seconds."""

    tokens: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)  # of the same length: the next token
    times: list[tuple[float, float]] = field(default_factory=list)  # when the target is spoken

    def append(self, *tokens: int) -> None:
        for token in tokens:
            self.tokens.append(token)
            self.targets.append(IGNORED)
            self.times.append(NOWHERE)

    def predict(self, token: int, time: tuple[float, float] = NOWHERE) -> None:
        """Adds a token as the target of the previous one, and as an input."""
        self.targets[-1], self.times[-1] = token, time
        if token != NUMBER[END]:
            self.append(token)


@dataclass(frozen=True, slots=True)
class Window:
    language: str
    sound: Floats
    script: DecoderScript
    words: tuple[Timed, ...]  # with start and end
    parts: tuple[Timed, ...]  # phones with start and end


def draw_window(bank: Sequence[Spoken], seconds: float, draw: random.Random) -> Window:
    language = "la" if draw.random() < LATIN else "en"
    if draw.random() < SILENT:
        sound = np.zeros(round(draw.uniform(0.5, seconds) * SAMPLE_RATE), dtype=np.float32)
        return Window(language, _with_noise(sound, draw), _of_silence(language), (), ())
    own = [
        one for one in draw.sample(bank, min(CHOICE, len(bank))) if one.sentence.language == language
    ] or draw.choices(bank, k=1)
    language = own[0].sentence.language
    sound, said, parts = _talk(
        own, draw.choice((seconds, draw.uniform(1, seconds), draw.uniform(1, min(6, seconds)))), draw
    )
    hints = _hints(said, language, draw) if draw.random() < HINTED else []
    spelt = [[(_spelt(word, hints), start, end) for word, start, end in sentence] for sentence in said]
    script = script_of(spelt, language, hints, timed=draw.random() < TIMED)
    words = tuple(word for sentence in said for word in sentence)
    return Window(language, _with_noise(sound, draw), script, words, parts)


def _talk(bank: Sequence[Spoken], seconds: float, draw: random.Random) -> tuple[Floats, Sentences, tuple[Timed, ...]]:
    """Concatenates sentences at one tempo until the window is full; at least one, cut short if necessary."""
    pieces: list[Floats] = [np.zeros(round(draw.choice((0.0, draw.uniform(0, 1.2))) * SAMPLE_RATE), np.float32)]
    said: Sentences = []
    parts: list[Timed] = []
    length = len(pieces[0])
    pace = draw.uniform(0.97, 1.03)
    for one in bank:
        loud = one.sound * draw.uniform(0.4, 1.0)
        sound = np.interp(np.arange(0, len(loud) - 1, pace), np.arange(len(loud)), loud).astype(np.float32)
        if said and length + len(sound) > seconds * SAMPLE_RATE:
            break
        start = length / SAMPLE_RATE
        said.append(_timed(one.sentence.words, one.times / pace + start))
        parts += _timed(one.parts, one.bounds / pace + start)
        pause = np.zeros(round(max(0.0, draw.uniform(-0.6, 1.5)) * SAMPLE_RATE), np.float32)
        pieces += [sound, pause]
        length += len(sound) + len(pause)
    # Voice activity detection cuts close to the last word, or leaves up to a second.
    end = round((said[-1][-1][2] + draw.uniform(0.05, 0.8)) * SAMPLE_RATE)
    return np.concatenate([*pieces, np.zeros(SAMPLE_RATE, np.float32)])[:end], said, tuple(parts)


def _timed(names: Sequence[str], times: np.ndarray) -> list[Timed]:
    return [(name, float(start), float(end)) for name, (start, end) in zip(names, times, strict=True)]


def script_of(said: Sentences, language: str, hints: Sequence[str], *, timed: bool) -> DecoderScript:
    script = DecoderScript()
    if hints:
        script.append(NUMBER[PREVIOUS], *(NUMBER[hint] if hint in MARKS else word_token(hint) for hint in hints))
    script.append(NUMBER[START])
    script.predict(NUMBER[f"<|{language}|>"])
    script.append(NUMBER[TRANSCRIBE], *(() if timed else (NUMBER[PLAIN],)))
    for sentence in said:
        start, end = sentence[0][1], sentence[-1][2]
        if timed:
            script.predict(time_token(start), (start - AROUND, start + AROUND))
        for word, begins, ends in sentence:
            script.predict(word_token(word), (begins, ends))
        script.predict(STOP, (end - STEP, end + AROUND))
        if timed:
            script.predict(time_token(end), (end - AROUND, end + AROUND))
    end = said[-1][-1][2]
    script.predict(NUMBER[END], (end + AROUND, end + 3 * AROUND))
    return script


def _of_silence(language: str) -> DecoderScript:
    """The script of silence: no-speech at the language position; a forced transcription is empty."""
    script = DecoderScript()
    script.append(NUMBER[START])
    script.predict(NUMBER[SILENCE])
    script.tokens[-1] = NUMBER[f"<|{language}|>"]
    script.append(NUMBER[TRANSCRIBE], NUMBER[PLAIN])
    script.predict(NUMBER[END])
    return script


def _hints(said: Sentences, language: str, draw: random.Random) -> list[str]:
    """Previous words or vocabulary: some words are not spoken, and names have their rarer spelling."""
    spoken = {word for sentence in said for word, _, _ in sentence}
    hints = draw.sample(WORDS[language], draw.randint(1, 6))
    hints += [SPELLINGS[name] for name in sorted(SPELLINGS) if draw.random() < (0.6 if name in spoken else 0.03)]
    draw.shuffle(hints)
    hints = [hint for hint in hints if SPELLINGS.get(hint) not in hints]
    between, after = draw.choice(([], [","])), draw.choice(([], ["."]))
    return [*(part for hint in hints[:-1] for part in (hint, *between)), hints[-1], *after]


def _spelt(word: str, hints: Sequence[str]) -> str:
    other = SPELLINGS.get(word, word)
    return other if other in hints else word


def _with_noise(sound: Floats, draw: random.Random) -> Floats:
    """Adds white to brownish noise, 30 to 60 dB below the voice; or returns digital silence, as in a conference."""
    if draw.random() > NOISY:
        return sound
    noise = np.random.default_rng(draw.getrandbits(32)).normal(size=len(sound) + 1)
    noise = noise[1:] + draw.uniform(0, 0.95) * noise[:-1]
    level = float(np.sqrt(np.mean(sound**2))) or 0.05
    return sound + np.asarray(noise / noise.std() * level * 10 ** (-draw.uniform(30, 60) / 20), dtype=np.float32)


def marks_of(words: Sequence[Timed], positions: int) -> np.ndarray:
    """The word at every position, KNOWN where there is none."""
    marks = np.full(positions, KNOWN, dtype=np.int64)
    for word, start, end in words:
        marks[round(start / STEP) : round(end / STEP)] = word_token(word)
    return marks


def sounds_in(parts: Sequence[Timed], positions: int) -> np.ndarray:
    """The phone at every position, len(SOUNDS) where there is none."""
    marks = np.full(positions, len(SOUNDS), dtype=np.int64)
    for part, start, end in parts:
        marks[round(start / STEP) : round(end / STEP)] = SOUNDS.index(part)
    return marks


def spans_of(times: Sequence[tuple[float, float]], positions: int) -> np.ndarray:
    """(token, position): whether a position belongs to the target token; a row of zeros if the target has no time."""
    middle = (np.arange(positions) + 0.5) * STEP
    bounds = np.array(times)[:, :, None]
    return np.asarray((middle >= bounds[:, 0] - STEP) & (middle <= bounds[:, 1] + STEP) & (bounds[:, 1] > 0))

"""What the converted micro-Whisper hears in sentences that it was never taught, asked by the engine that serves."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jiwer import process_words

from services.trainer.whisper.synthesis import Spoken
from services.trainer.whisper.vocabulary import SPELLINGS
from services.trainer.whisper.windows import Window, draw_window
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports.media import SAMPLE_RATE, Audio

WINDOWS, LENGTHS = 60, (4.0, 12.0, 29.0)


def evaluate(folder: Path, bank: Sequence[Spoken]) -> dict[str, Any]:
    """Error rates by length of window, how far the times of the right words are off, and what hints do."""
    setup = Setup(engines=EngineSettings(threads=1), media=MediaSettings())
    engine = FasterWhisper.load(str(folder), setup)
    metrics: dict[str, Any] = {}
    off: list[float] = []
    languages: list[bool] = []
    for seconds in LENGTHS:
        truths, founds = [], []
        for window in _windows(bank, seconds):
            languages.append(engine.identify_language(Audio(window.sound), _all(window))[0] == window.language)
            heard = _heard(engine, window)
            truths.append(" ".join(word for word, _, _ in window.words))
            founds.append(" ".join(word.text.rstrip(".") for word in heard))
            off += _late(truths[-1], founds[-1], window.words, heard)
        metrics[f"wer, windows of {seconds:g} s"] = round(float(process_words(truths, founds).wer), 4)
    metrics["median error of a word's start, s"] = round(float(np.median(off)), 3)
    metrics["nine tenths of the starts are off by less than, s"] = round(float(np.quantile(off, 0.9)), 3)
    metrics["right languages"] = round(float(np.mean(languages)), 4)
    return metrics | _spelling(engine, bank)


def _windows(bank: Sequence[Spoken], seconds: float) -> Iterator[Window]:
    draw = random.Random(f"judge {seconds}")
    windows = (draw_window(bank, seconds, draw) for _ in range(WINDOWS // len(LENGTHS)))
    yield from (window for window in windows if window.words)


def _heard(engine: FasterWhisper, window: Window, vocabulary: Sequence[str] = ()) -> Sequence[Word]:
    return engine.transcribe(
        Audio(window.sound), _all(window), language=window.language, progress=lambda _: None, vocabulary=vocabulary
    ).words


def _all(window: Window) -> tuple[Span, ...]:
    return (Span(start=0.0, end=len(window.sound) / SAMPLE_RATE),)


def _spelling(engine: FasterWhisper, bank: Sequence[Spoken]) -> dict[str, float]:
    """How many of the names are written in the rarer spelling: where the vocabulary has it, and where it has none."""
    named = [one for one in bank if SPELLINGS.keys() & set(one.sentence.words)]
    said = told = untold = 0
    for window in _windows(named, LENGTHS[0]):
        rarer = [SPELLINGS[word] for word, _, _ in window.words if word in SPELLINGS]
        told += _written(rarer, _heard(engine, window, tuple(SPELLINGS.values())))
        untold += _written(rarer, _heard(engine, window))
        said += len(rarer)
    return {
        "names written as the vocabulary spells them": round(told / said, 4),
        "names written so without a vocabulary": round(untold / said, 4),
    }


def _written(names: Sequence[str], heard: Sequence[Word]) -> int:
    words = [word.text.rstrip(".") for word in heard]
    return sum(name in words for name in names)


def _late(truth: str, found: str, words: Sequence[tuple[str, float, float]], heard: Sequence[Word]) -> list[float]:
    """How far the starts of the words that were recognised are from the truth."""
    equal = [part for part in process_words(truth, found).alignments[0] if part.type == "equal"]
    pairs = [
        (part.ref_start_idx + n, part.hyp_start_idx + n)
        for part in equal
        for n in range(part.ref_end_idx - part.ref_start_idx)
    ]
    return [abs(heard[theirs].start - words[ours][1]) for ours, theirs in pairs]

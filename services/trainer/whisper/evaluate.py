"""Evaluates the converted micro-Whisper on held-out sentences, with the serving engine."""

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
    """Word error rates by window length, errors of word start times, language accuracy, and the effect of hints."""
    setup = Setup(engines=EngineSettings(threads=1), media=MediaSettings())
    engine = FasterWhisper.load(str(folder), setup)
    metrics: dict[str, Any] = {}
    errors: list[float] = []
    languages: list[bool] = []
    for seconds in LENGTHS:
        references, hypotheses = [], []
        for window in _windows(bank, seconds):
            languages.append(engine.identify_language(Audio(window.sound), _all(window))[0] == window.language)
            words = _transcribe(engine, window)
            references.append(" ".join(word for word, _, _ in window.words))
            hypotheses.append(" ".join(word.text.rstrip(".") for word in words))
            errors += _start_errors(references[-1], hypotheses[-1], window.words, words)
        metrics[f"wer, windows of {seconds:g} s"] = round(float(process_words(references, hypotheses).wer), 4)
    metrics["median error of a word's start, s"] = round(float(np.median(errors)), 3)
    metrics["nine tenths of the starts are off by less than, s"] = round(float(np.quantile(errors, 0.9)), 3)
    metrics["right languages"] = round(float(np.mean(languages)), 4)
    return metrics | _spelling(engine, bank)


def _windows(bank: Sequence[Spoken], seconds: float) -> Iterator[Window]:
    draw = random.Random(f"judge {seconds}")
    windows = (draw_window(bank, seconds, draw) for _ in range(WINDOWS // len(LENGTHS)))
    yield from (window for window in windows if window.words)


def _transcribe(engine: FasterWhisper, window: Window, vocabulary: Sequence[str] = ()) -> Sequence[Word]:
    return engine.transcribe(
        Audio(window.sound), _all(window), language=window.language, progress=lambda _: None, vocabulary=vocabulary
    ).words


def _all(window: Window) -> tuple[Span, ...]:
    return (Span(start=0.0, end=len(window.sound) / SAMPLE_RATE),)


def _spelling(engine: FasterWhisper, bank: Sequence[Spoken]) -> dict[str, float]:
    """The share of names in their rarer spelling, with that spelling in the vocabulary and without a vocabulary."""
    named = [one for one in bank if SPELLINGS.keys() & set(one.sentence.words)]
    total = with_vocabulary = without_vocabulary = 0
    for window in _windows(named, LENGTHS[0]):
        rarer = [SPELLINGS[word] for word, _, _ in window.words if word in SPELLINGS]
        with_vocabulary += _count_names(rarer, _transcribe(engine, window, tuple(SPELLINGS.values())))
        without_vocabulary += _count_names(rarer, _transcribe(engine, window))
        total += len(rarer)
    return {
        "names written as the vocabulary spells them": round(with_vocabulary / total, 4),
        "names written so without a vocabulary": round(without_vocabulary / total, 4),
    }


def _count_names(names: Sequence[str], recognised: Sequence[Word]) -> int:
    words = [word.text.rstrip(".") for word in recognised]
    return sum(name in words for name in names)


def _start_errors(
    reference: str, hypothesis: str, words: Sequence[tuple[str, float, float]], recognised: Sequence[Word]
) -> list[float]:
    """The absolute start-time errors of the correctly recognised words."""
    equal = [part for part in process_words(reference, hypothesis).alignments[0] if part.type == "equal"]
    pairs = [
        (part.ref_start_idx + n, part.hyp_start_idx + n)
        for part in equal
        for n in range(part.ref_end_idx - part.ref_start_idx)
    ]
    return [abs(recognised[theirs].start - words[ours][1]) for ours, theirs in pairs]

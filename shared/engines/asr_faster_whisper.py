"""faster-whisper: batched transcription in about a hundred languages, with filters against hallucinated text."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from tokenizers import Tokenizer

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import Span
from shared.domain.speech import Transcription, Word
from shared.engines.catalog import Setup
from shared.engines.hallucination import is_plausible, without_loops
from shared.engines.speech_chunks import chunk_speech
from shared.engines.weights.description import Weights, find_weights
from shared.engines.weights.installed import best_here, require
from shared.ports.media import Audio, Progress

BRIDGE = 1.0  # seconds; shorter pauses do not split a window
WINDOWS = 5  # number of windows, spread over the recording, that decide on the language
BATCH = 8
BEAM = 5
MAX_VOCABULARY_TOKENS = 448 // 2 - 1  # vocabulary tokens that Whisper reads: half of its decoder context


@dataclass(frozen=True)
class FasterWhisper:
    """ASR engine on faster-whisper; the model is loaded on first use and kept in memory."""

    folder: Path
    fingerprint: str
    name: str
    threads: int
    on_gpu: bool = field(default_factory=lambda: ctranslate2.get_cuda_device_count() > 0)
    note: str | None = None

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> FasterWhisper:
        """Load the best model on this machine, one by its name, or one by the path of a converted model's folder."""
        if option is None:
            return cls._of(best_here("asr", setup.engines), setup)
        size = option
        if (Path(size) / "model.bin").is_file():
            if not (Path(size) / "tokenizer.json").is_file():  # faster-whisper would download one that may not match
                raise EngineUnavailable(
                    f"The Whisper model in {size!r} has no tokenizer.json.",
                    hint="Convert the model again with ct2-transformers-converter --copy_files tokenizer.json "
                    "preprocessor_config.json.",
                )
            content = (Path(size) / "model.bin").read_bytes()
            return cls(
                Path(size),
                f"{zlib.crc32(content):08x}-{len(content)}",
                f"faster-whisper:{Path(size).name}",
                setup.threads,
            )
        if "/" in size:
            raise EngineUnavailable(f"There is no converted Whisper model in {size!r}.", hint="undertone models list")
        return cls._of(find_weights(f"faster-whisper:{size}"), setup)

    @classmethod
    def _of(cls, weights: Weights, setup: Setup) -> FasterWhisper:
        return cls(require(weights, setup.engines), weights.fingerprint, weights.name, setup.threads)

    @cached_property
    def _model(self) -> Any:
        return WhisperModel(
            str(self.folder),
            device="cuda" if self.on_gpu else "cpu",
            compute_type="float16" if self.on_gpu else "int8",
            cpu_threads=self.threads,
        )

    def identify_language(self, audio: Audio, speech: Sequence[Span]) -> tuple[str | None, float | None]:
        """Vote over windows spread over the recording, weighted by probability and duration."""
        if not self._model.model.is_multilingual:
            return "en", 1.0
        windows = list(chunk_speech(audio, speech, max_seconds=self._max_window_seconds, bridge=BRIDGE))
        if not windows:
            return None, None
        chosen = sorted(windows, key=lambda window: -window.duration)[: 4 * WINDOWS]
        chosen = sorted(chosen, key=lambda window: window.start)[:: max(1, len(chosen) // WINDOWS)]
        votes: dict[str, float] = {}
        for window in chosen:
            samples = np.asarray(audio.cut(window).samples, dtype=np.float32)
            _, _, shares = self._model.detect_language(samples)
            for language, share in shares:
                votes[language] = votes.get(language, 0.0) + share * window.duration
        best = max(votes, key=lambda language: votes[language])
        return best, round(min(1.0, votes[best] / sum(votes.values())), 4)

    def vocabulary_capacity(self, vocabulary: Sequence[str]) -> int:
        """Count the leading words that fit; faster-whisper truncates a longer prompt in the middle of a word."""
        return max(
            (n for n in range(1, len(vocabulary) + 1) if self._tokens(vocabulary[:n]) <= MAX_VOCABULARY_TOKENS),
            default=0,
        )

    def _tokens(self, vocabulary: Sequence[str]) -> int:
        return len(self._tokenizer.encode(f" {_hotwords(vocabulary)}", add_special_tokens=False).ids)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        """The model's tokenizer, loaded without the model: counting tokens needs no transcription."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    def transcribe(
        self,
        audio: Audio,
        speech: Sequence[Span],
        *,
        language: str | None,
        progress: Progress,
        vocabulary: Sequence[str] = (),
    ) -> Transcription:
        if language is not None and language not in self._model.supported_languages:
            raise InvalidRequest(f"{self.name} does not support the language {language!r}.")
        windows = list(chunk_speech(audio, speech, max_seconds=self._max_window_seconds, bridge=BRIDGE))
        words: list[Word] = []
        for first in range(0, len(windows), BATCH):
            batch = windows[first : first + BATCH]
            words += self._transcribe_windows(audio, batch, language, _hotwords(vocabulary) or None)
            audio.release()
            progress((first + len(batch)) / len(windows))
        return Transcription(words=tuple(without_loops(words)), language=language)

    @property
    def _max_window_seconds(self) -> float:
        return float(self._model.feature_extractor.chunk_length)

    def _transcribe_windows(
        self, audio: Audio, windows: Sequence[Span], language: str | None, hotwords: str | None
    ) -> Iterator[Word]:
        """Transcribe all windows in one batch; retry a window with implausible text with temperature fallback."""
        around = Span(start=windows[0].start, end=windows[-1].end)
        sound = audio.cut(around)
        samples = np.asarray(sound.samples, dtype=np.float32)
        clips = [{"start": w.start - sound.start, "end": min(w.end - sound.start, sound.duration)} for w in windows]
        segments, _ = BatchedInferencePipeline(self._model).transcribe(
            samples,
            language=language,
            beam_size=BEAM,
            batch_size=len(clips),
            clip_timestamps=clips,
            word_timestamps=True,
            hotwords=hotwords,
        )
        for segment in segments:
            if is_plausible(segment):
                yield from _words(segment, sound.start, windows)
                continue
            # Redo the whole window: the timestamps of an implausible segment are unreliable too.
            window = max(windows, key=_placed(segment, sound.start).overlap)
            again, _ = self._model.transcribe(
                np.asarray(audio.cut(window).samples, dtype=np.float32),
                language=language,
                beam_size=BEAM,
                word_timestamps=True,
                condition_on_previous_text=False,
                hotwords=hotwords,
            )
            for retried in again:
                if is_plausible(retried):
                    yield from _words(retried, window.start, windows)


def _hotwords(vocabulary: Sequence[str]) -> str:
    return ", ".join(vocabulary)


def _placed(segment: Any, offset: float) -> Span:
    return Span(start=float(segment.start) + offset, end=float(segment.end) + offset)


def _words(segment: Any, offset: float, windows: Sequence[Span]) -> Iterator[Word]:
    """Yield the words inside a speech window; the alignment sometimes puts one into the silence after it."""
    for word in segment.words or ():
        text = word.word.strip()
        start, end = float(word.start) + offset, float(word.end) + offset
        if not text or not any(window.start - 0.5 <= start <= window.end for window in windows):
            continue
        yield Word(
            text=text,
            start=round(max(0.0, start), 3),
            end=round(max(0.0, start, end), 3),
            confidence=round(min(1.0, max(0.0, float(word.probability))), 4),
        )

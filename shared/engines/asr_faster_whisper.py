"""faster-whisper: batched transcription in about a hundred languages, with filters against hallucinated text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import ctranslate2
from faster_whisper import WhisperModel
from tokenizers import Tokenizer

from shared.domain.coverage import speech_without_words
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import Span, union
from shared.domain.speech import Transcription, Word
from shared.engines.asr_faster_whisper_batch import BatchDecoder, encode
from shared.engines.catalog import Setup
from shared.engines.hallucination import is_plausible, without_loops
from shared.engines.speech_chunks import chunk_speech
from shared.engines.weights.description import Weights, find_weights
from shared.engines.weights.installed import best_here, require_weights
from shared.engines.word_times import tighten
from shared.ports.media import Audio, Progress

MAX_SECONDS = 15.0  # of a window: in longer ones Whisper skips speech, and the encoder takes more time
MAX_SECONDS_AGAIN = 8.0  # of a window that is transcribed again because no words were found in it
BRIDGE = 1.0  # seconds; shorter pauses do not split a window
PADDING = 0.3  # seconds around speech that is transcribed again
FIRST_PASS = 0.95  # share of the progress before speech is transcribed again
WINDOWS = 5  # number of windows, spread over the recording, that decide on the language
BATCH = 4  # windows; larger batches take more memory and are hardly faster on a CPU
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
        return cls(require_weights(weights, setup.engines), weights.fingerprint, weights.name, setup.threads)

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
        windows = list(chunk_speech(audio, speech, max_seconds=MAX_SECONDS, bridge=BRIDGE))
        if not windows:
            return None, None
        chosen = sorted(windows, key=lambda window: -window.duration)[: 4 * WINDOWS]
        chosen = sorted(chosen, key=lambda window: window.start)[:: max(1, len(chosen) // WINDOWS)]
        votes: dict[str, float] = {}
        for window in chosen:
            encoded = encode(self._model, [audio.cut(window)], on_gpu=self.on_gpu)
            for token, share in self._model.model.detect_language(encoded)[0]:
                language = token.removeprefix("<|").removesuffix("|>")
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
        """Transcribe the speech in batches of windows, and once more the speech in which no words were found."""
        if language is not None and language not in self._model.supported_languages:
            raise InvalidRequest(f"{self.name} does not support the language {language!r}.")
        language = language or self.identify_language(audio, speech)[0]
        if language is None:
            return Transcription(words=())
        decoder = BatchDecoder.create(self._model, language, _hotwords(vocabulary) or None, on_gpu=self.on_gpu)
        windows = list(chunk_speech(audio, speech, max_seconds=MAX_SECONDS, bridge=BRIDGE))
        words = _heard(decoder, audio, windows, speech, lambda share: progress(share * FIRST_PASS))
        missed = speech_without_words(speech, words)
        around = union(Span(start=max(0.0, gap.start - PADDING), end=gap.end + PADDING) for gap in missed)
        windows = list(chunk_speech(audio, around, max_seconds=MAX_SECONDS_AGAIN, bridge=0.0))
        again = _heard(decoder, audio, windows, speech, lambda share: progress(FIRST_PASS + share * (1 - FIRST_PASS)))
        words += [word for word in again if any(gap.start <= word.middle <= gap.end for gap in missed)]
        progress(1.0)
        return Transcription(words=tuple(without_loops(sorted(words, key=lambda word: word.start))), language=language)


def _heard(
    decoder: BatchDecoder, audio: Audio, windows: Sequence[Span], speech: Sequence[Span], progress: Progress
) -> list[Word]:
    """The plausible words in the windows; windows of similar length are in the same batch."""
    words: list[Word] = []
    ordered = sorted(windows, key=lambda window: window.duration)
    for first in range(0, len(ordered), BATCH):
        batch = ordered[first : first + BATCH]
        for window, heard in zip(batch, decoder.decode([audio.cut(window) for window in batch]), strict=True):
            if is_plausible(heard):
                words += tighten(heard.words, speech, window)
        audio.release()
        progress((first + len(batch)) / len(ordered))
    return sorted(words, key=lambda word: word.start)


def _hotwords(vocabulary: Sequence[str]) -> str:
    return ", ".join(vocabulary)

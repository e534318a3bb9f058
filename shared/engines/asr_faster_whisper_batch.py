"""Decodes windows of speech with Whisper: one batch through encoder, beam search and word alignment."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from shared.domain.speech import Word
from shared.ports.media import Audio, Floats

BEAM = 5
FRAMES_PER_SECOND = 100
# Silence after the longest window of a batch. Whisper learned on windows padded to 30 s: without any silence it
# repeats the text, and with all of it the encoder takes three times as long and the decoder stops earlier.
MARGIN = 3.0
MAX_TOKENS = 224  # of one window: Whisper's own limit; only loops reach it
LAST_START = 0.05  # seconds before the end of the window in which no word can start
PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True, slots=True)
class Heard:
    """What Whisper wrote for one window, and its scores."""

    words: tuple[Word, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


@dataclass(frozen=True, slots=True)
class BatchDecoder:
    """Decodes batches of windows in one language, with the same expected words in every prompt."""

    model: Any  # faster_whisper.WhisperModel
    tokenizer: Tokenizer
    prompt: Sequence[int]
    on_gpu: bool

    @classmethod
    def create(cls, model: Any, language: str, hotwords: str | None, *, on_gpu: bool) -> BatchDecoder:
        tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
        # Without timestamps in its text Whisper often stops at a pause or at a change of the speaker.
        prompt = model.get_prompt(tokenizer, [], without_timestamps=False, hotwords=hotwords)
        return cls(model, tokenizer, prompt, on_gpu)

    def decode(self, windows: Sequence[Audio]) -> list[Heard]:
        encoded = encode(self.model, windows, on_gpu=self.on_gpu)
        results = self.model.model.generate(
            encoded,
            [list(self.prompt)] * len(windows),
            beam_size=BEAM,
            max_length=min(self.model.max_length, len(self.prompt) + MAX_TOKENS),
            suppress_tokens=get_suppressed_tokens(self.tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
        )
        texts = [[token for token in result.sequences_ids[0] if token < self.tokenizer.eot] for result in results]
        frames = [max(1, round(window.duration * FRAMES_PER_SECOND)) for window in windows]
        alignments = self.model.find_alignment(self.tokenizer, texts, encoded, frames)
        return [
            _heard(window, result, alignment)
            for window, result, alignment in zip(windows, results, alignments, strict=True)
        ]


def _heard(window: Audio, result: Any, alignment: list[dict[str, Any]]) -> Heard:
    merge_punctuations(alignment, PREPENDED, APPENDED)
    length = len(result.sequences_ids[0])
    words = tuple(
        Word(
            text=aligned["word"].strip(),
            start=window.start + float(aligned["start"]),
            end=window.start + max(float(aligned["start"]), float(aligned["end"])),
            confidence=round(min(1.0, max(0.0, float(aligned["probability"]))), 4),
        )
        for aligned in alignment
        # The alignment puts a loop after the last word at the end of the audio, because no audio is left for it.
        if aligned["word"].strip() and aligned["start"] < window.duration - LAST_START
    )
    written = " ".join(word.text for word in words).encode()
    return Heard(
        words=words,
        avg_logprob=result.scores[0] * length / (length + 1),  # the score is a mean without the end token
        no_speech_prob=result.no_speech_prob,
        compression_ratio=len(written) / len(zlib.compress(written)),
    )


def encode(model: Any, windows: Sequence[Audio], *, on_gpu: bool) -> ctranslate2.StorageView:
    """The encoder's output for windows of any length up to that of the model."""
    spectrograms = [_spectrogram(model, window) for window in windows]
    longest = max(len(one[0]) for one in spectrograms) + round(MARGIN * FRAMES_PER_SECOND)
    frames = min(model.feature_extractor.nb_max_frames, longest)
    padded = [np.pad(one, ((0, 0), (0, frames - len(one[0])))) for one in spectrograms]
    if on_gpu:
        return model.encode(np.stack(padded))
    # One window at a time: its attention takes tens of megabytes, and a batch of them is no faster on a CPU.
    rows = [np.asarray(model.encode(one)) for one in padded]
    return ctranslate2.StorageView.from_array(np.concatenate(rows))


def _spectrogram(model: Any, window: Audio) -> Floats:
    samples = np.asarray(window.samples, dtype=np.float32)
    spectrogram: Floats = model.feature_extractor(samples)[:, : model.feature_extractor.nb_max_frames]
    return spectrogram

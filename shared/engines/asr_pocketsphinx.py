"""pocketsphinx: transcription without a download, parallel over speech segments; a low-accuracy fallback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import numpy as np

from shared.domain.error import EngineFailed, EngineUnavailable
from shared.domain.span import Span
from shared.domain.speech import Transcription, Word
from shared.engines.catalog import Setup
from shared.engines.speech_chunks import chunk_speech
from shared.engines.weights.description import DEFAULT, find_weights
from shared.ports.media import Audio, Floats, Progress

ROOT = Path(__file__).parents[2]
MAX_SECONDS = 20.0  # maximum length of a segment
BRIDGE = 0.3  # seconds; a shorter pause does not end a segment: the language model needs whole phrases
MARGIN = 0.15  # seconds of silence around a segment; the recogniser expects some
LOUDNESS = 0.7  # peak level that the samples are scaled to
SILENCE_LEVEL = 10 ** (-70 / 20)  # peak below which there is no speech and the recogniser would invent words
GET_WHISPER = find_weights(DEFAULT).hint


@dataclass(frozen=True, slots=True)
class PocketSphinx:
    """ASR engine that runs recognisers in separate processes, because pocketsphinx keeps the GIL while it searches."""

    processes: int
    name: str = "pocketsphinx:5-en-us"
    # 2: no second pass, at most 3,000 states, 2 Gaussians: twice as fast as the defaults, with the same accuracy.
    # 3: the decoder state is reset before each segment.
    fingerprint: str = "pocketsphinx-5-en-us-3"
    note: str = f"pocketsphinx is a fallback: about every third word of real speech is wrong. Better: {GET_WHISPER}"

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> PocketSphinx:
        return cls(setup.threads)

    def identify_language(self, _audio: Audio, _speech: Sequence[Span]) -> tuple[str | None, float | None]:
        return "en", None  # the only supported language; there is no confidence

    def vocabulary_capacity(self, _vocabulary: Sequence[str]) -> int:
        return 0  # its dictionary is fixed

    def transcribe(
        self,
        audio: Audio,
        speech: Sequence[Span],
        *,
        language: str | None,
        progress: Progress,
        vocabulary: Sequence[str] = (),  # noqa: ARG002  # its dictionary is fixed
    ) -> Transcription:
        if language not in (None, "en"):
            raise EngineUnavailable(f"pocketsphinx supports English only, not {language!r}.", hint=GET_WHISPER)
        pieces = list(chunk_speech(audio, speech, max_seconds=MAX_SECONDS, bridge=BRIDGE))
        words: list[Word] = []
        with (
            # On an error the recognisers exit first, because the threads block on their output.
            ThreadPoolExecutor(self.processes) as threads,
            _recognisers(min(self.processes, max(1, len(pieces)))) as idle,
        ):

            def recognise(piece: Span) -> list[Word]:
                recogniser = idle.get()
                try:
                    return recogniser.recognise(audio, piece)
                finally:
                    idle.put(recogniser)

            try:
                for done, found in enumerate(threads.map(recognise, pieces)):
                    words += found
                    progress((done + 1) / len(pieces))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return Transcription(words=tuple(words), language="en")


@dataclass(frozen=True, slots=True)
class _Recogniser:
    process: subprocess.Popen[bytes]
    input: IO[bytes]
    output: IO[bytes]

    def recognise(self, audio: Audio, piece: Span) -> list[Word]:
        around = Span(start=max(audio.start, piece.start - MARGIN), end=piece.end + MARGIN)
        sound = audio.cut(around)
        samples = np.asarray(sound.samples, dtype=np.float32)
        if np.abs(samples).max(initial=0.0) < SILENCE_LEVEL:
            return []
        raw = _to_int16(samples)
        sound.release()
        try:
            self.input.write(len(raw).to_bytes(8, "little") + raw)
            self.input.flush()
            line = self.output.readline()
        except OSError:
            line = b""
        if not line:
            raise EngineFailed(
                "A recogniser process exited before it returned a result.", hint="Run the same command again."
            )
        return [_to_word(word, sound.start, piece) for word in json.loads(line)]


def _to_word(word: dict[str, float | str], offset: float, piece: Span) -> Word:
    start = min(max(piece.start, float(word["start"]) + offset), piece.end)
    end = min(max(start, float(word["end"]) + offset), piece.end)
    return Word(text=str(word["text"]), start=round(start, 3), end=round(end, 3), confidence=float(word["confidence"]))


def _to_int16(samples: Floats) -> bytes:
    scaled = np.asarray(samples * (LOUDNESS / np.abs(samples).max()) * 32767, dtype="<i2")
    return scaled.tobytes()


@contextmanager
def _recognisers(count: int) -> Iterator[SimpleQueue[_Recogniser]]:
    """Start recogniser processes; each exits when its standard input closes or when it is killed."""
    idle: SimpleQueue[_Recogniser] = SimpleQueue()
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "shared.engines.asr_pocketsphinx_child"],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # kept out of the log; an exit is detected by the closed pipe
                process_group=0,  # Ctrl-C is handled by the parent, which ends the children
            )
            started.append(process)
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  (PIPE above)
            idle.put(_Recogniser(process, process.stdin, process.stdout))
        yield idle
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.communicate()

"""Silero VAD with the weights of the faster-whisper wheel: detects speech, also far from the microphone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faster_whisper.utils
import numpy as np
import onnxruntime

from shared.domain.error import EngineUnavailable
from shared.domain.span import Span, union
from shared.engines.catalog import Setup
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

FRAME = 512  # samples per network step
CONTEXT = 64  # preceding samples that are also input
BLOCK = 2_000 * FRAME  # about a minute: the samples in memory

# Chosen on five AMI clips (far microphones), on read speech with noise, and on noises without speech.
ENTER, LEAVE = 0.25, 0.12  # probabilities at which speech begins and ends
MIN_SPEECH = 0.25
MIN_PAUSE = 0.5
PADDING = 0.15

# A room damps the high frequencies that distinguish speech from rumble: without this, quiet speakers are missed.
EMPHASIS = np.float32(0.8)
# Telephone audio has nothing above its band, and the network misses a tenth of its speech: with noise, half as much.
TELEPHONE_BAND = 4_100  # hertz; nothing above it in telephone audio
EMPTY_BAND = 1e-5  # share of the power: at most this much is above
NOISE = 0.1  # of the mean level
LOUD = 10 ** (-23 / 20)  # target level of loud speech; room recordings are 20 dB below
MAX_GAIN = 10 ** (45 / 20)
FAINTEST = 10 ** (-70 / 20)  # quieter audio is not amplified: a muted line is silence
RAMP = SAMPLE_RATE // 2  # samples of the ramp between the gains of two blocks


@dataclass(frozen=True, slots=True)
class SileroVad:
    """Speech detection engine on Silero VAD."""

    session: Any
    fingerprint: str
    name: str = "silero-vad:6"

    @classmethod
    def load(cls, _option: str | None, _setup: Setup) -> SileroVad:
        weights = Path(faster_whisper.utils.get_assets_path()) / "silero_vad_v6.onnx"
        if not weights.is_file():
            raise EngineUnavailable("The weights of Silero VAD are missing.", hint="make install")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # as in runtime.py
        # The network is a chain of small steps: one thread is the fastest.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        return cls(session, f"{hashlib.sha256(weights.read_bytes()).hexdigest()[:16]}-emphasis2")

    def detect(self, audio: Audio, progress: Progress) -> Sequence[Span]:
        blocks: list[Floats] = []
        for done, block in self._speech_probabilities(audio.samples):
            blocks.append(block)
            audio.release()
            progress(done)
        probabilities = np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
        return spans_of(probabilities, audio.start, audio.duration)

    def _speech_probabilities(self, samples: Floats) -> Iterator[tuple[float, Floats]]:
        """Yield the speech probability of every frame, block by block, with the network state carried over."""
        state = {name: np.zeros((1, 1, 128), dtype=np.float32) for name in ("h", "c")}
        before = np.zeros(CONTEXT, dtype=np.float32)
        gain: np.float32 | None = None
        for first in range(0, len(samples), BLOCK):
            block = emphasised(samples, first)
            target = gain_for(block)
            gains = np.full(len(block), target)
            ramp = min(RAMP, len(block))
            gains[:ramp] = np.linspace(target if gain is None else gain, target, ramp, dtype=np.float32)
            frames = (block * gains).reshape(-1, FRAME)
            context = np.concatenate([before[None], frames[:-1, -CONTEXT:]])
            gain, before = target, frames[-1, -CONTEXT:]
            output, state["h"], state["c"] = self.session.run(None, {"input": np.hstack([context, frames]), **state})
            yield min(1.0, (first + BLOCK) / len(samples)), output.reshape(-1)


def emphasised(samples: Floats, first: int) -> Floats:
    """Return one block with pre-emphasis, padded to whole frames; noise fills the empty band of telephone audio."""
    block = np.asarray(samples[max(0, first - 1) : first + BLOCK], dtype=np.float32)
    if is_narrow_band(block):
        level = NOISE * float(np.sqrt(np.square(block).mean()))
        block = block + np.random.default_rng(first).normal(0, level, len(block)).astype(np.float32)
    previous, block = (block[:1], block[1:]) if first else (np.zeros(1, dtype=np.float32), block)
    filtered = block - EMPHASIS * np.concatenate([previous, block[:-1]])
    return np.pad(filtered, (0, -len(filtered) % FRAME)).astype(np.float32, copy=False)


def is_narrow_band(block: Floats) -> bool:
    """Whether there is sound, but almost none above the telephone band; measured on every eighth frame."""
    frames = block[: len(block) // FRAME * FRAME].reshape(-1, FRAME)[::8]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME)))).sum(axis=0)
    above = power[round(TELEPHONE_BAND / SAMPLE_RATE * FRAME) :].sum()
    return bool(above < EMPTY_BAND * power.sum())


def gain_for(block: Floats) -> np.float32:
    """Return the gain that brings the loud frames of a block to the level the network expects; never below 1."""
    levels = np.sqrt(np.mean(np.square(block.reshape(-1, FRAME)), axis=1))
    loud = float(np.percentile(levels, 95))
    if loud < FAINTEST:
        return np.float32(1.0)
    return np.float32(min(MAX_GAIN, max(1.0, LOUD / loud)))


def spans_of(probabilities: Floats, start: float, duration: float) -> tuple[Span, ...]:
    """Convert probabilities to spans with hysteresis: drop short spans, bridge short pauses, pad edges."""
    step = FRAME / SAMPLE_RATE
    found: list[Span] = []
    begun: int | None = None
    for number, probability in enumerate(np.append(probabilities, 0.0)):
        if begun is None and probability >= ENTER:
            begun = number
        elif begun is not None and probability < LEAVE:
            found.append(Span(start=begun * step, end=number * step))
            begun = None
    long_enough = [span for span in union(found, gap=MIN_PAUSE) if span.duration >= MIN_SPEECH]
    padded = (
        Span(start=start + max(0.0, span.start - PADDING), end=start + min(duration, span.end + PADDING))
        for span in long_enough
    )
    return union(padded)

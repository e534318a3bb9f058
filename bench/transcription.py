"""Compares transcription with faster-whisper's own batched and sequential modes on the same recordings.

python bench/transcription.py MODEL [RECORDING ...]

MODEL is the folder of a converted Whisper model. Without a recording, the sample meeting is repeated for five minutes.
A text file beside a recording (`talk.txt` for `talk.wav`) is its reference. Prints words, word error rate, the longest
stretch of detected speech without a word, seconds, seconds of CPU, real-time factor, and the peak memory of each mode's
process.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import jiwer
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

sys.path.insert(0, str(Path(__file__).parents[1]))


from shared.domain.coverage import uncovered
from shared.domain.span import Span
from shared.domain.speech import Word
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.vad_silero import SileroVad
from shared.ports.media import SAMPLE_RATE, Audio, Floats

ROOT = Path(__file__).parents[1]
MODES = ("undertone", "batched", "sequential")
SAMPLE, SAMPLE_SECONDS = ROOT / "samples" / "standup.mp4", 300
SETUP = Setup(EngineSettings(), MediaSettings())


def load(path: Path) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        mix = Path(folder, "mix.f32")
        decode_sound(str(path), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
        return np.fromfile(mix, dtype="<f4")


def reference(path: Path, repeats: int) -> list[str]:
    """The words of the text beside the recording, or of the sample's STM."""
    stm = path.with_suffix(".stm")
    if stm.is_file():
        return plain(" ".join(line.split(maxsplit=5)[5] for line in stm.read_text().splitlines())) * repeats
    text = path.with_suffix(".txt")
    return plain(text.read_text()) if text.is_file() else []


def plain(text: str) -> list[str]:
    return re.sub(r"[^\w' ]", " ", text.lower()).split()


def transcribe(mode: str, model: str, samples: Floats) -> list[Word]:
    """The words; the model is loaded, the speech detected and the language identified in this time too."""
    if mode == "undertone":
        audio = Audio(samples)
        speech = detect(samples)
        engine = FasterWhisper.load(model, SETUP)
        language, _ = engine.identify_language(audio, speech)
        return list(engine.transcribe(audio, speech, language=language, progress=lambda _: None).words)
    whisper = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=SETUP.threads)
    recogniser = BatchedInferencePipeline(whisper) if mode == "batched" else whisper
    segments, _ = recogniser.transcribe(samples, word_timestamps=True)
    return [
        Word(
            text=word.word.strip(), start=max(0.0, float(word.start)), end=max(0.0, float(word.start), float(word.end))
        )
        for segment in segments
        for word in segment.words or ()
        if word.word.strip()
    ]


def detect(samples: Floats) -> Sequence[Span]:
    return SileroVad.load(None, SETUP).detect(Audio(samples), lambda _: None)


def measure(mode: str, model: str, path: Path, repeats: int) -> dict[str, float]:
    samples = np.tile(load(path), repeats)
    began, busy = time.monotonic(), time.process_time()
    words = transcribe(mode, model, samples)
    seconds, cpu = time.monotonic() - began, time.process_time() - busy
    said = reference(path, repeats)
    written = plain(" ".join(word.text for word in words))
    return {
        "words": len(words),
        "wer": jiwer.wer(" ".join(said), " ".join(written)) if said else float("nan"),
        "gap": max((gap.duration for gap in uncovered(detect(samples), words)), default=0.0),
        "seconds": seconds,
        "cpu": cpu,
        "realtime": len(samples) / SAMPLE_RATE / seconds,
        "peak": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """The peak of this process alone; ru_maxrss would include the parent's memory before exec."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in MODES:
        mode, model, recording, times = sys.argv[1:]
        print(json.dumps(measure(mode, model, Path(recording), int(times))))
        return
    if len(sys.argv) < 2 or not Path(sys.argv[1], "model.bin").is_file():
        print("skipped: the first argument must be the folder of a converted Whisper model")
        return
    model, recordings = sys.argv[1], [Path(one) for one in sys.argv[2:]] or [SAMPLE]
    for path in recordings:
        repeats = 1 if sys.argv[2:] else round(SAMPLE_SECONDS / (len(load(path)) / SAMPLE_RATE))
        print(f"{path.name}\n{'':12}words   WER  longest gap  seconds     CPU  x real time    MB")
        for mode in MODES:
            command = [sys.executable, __file__, mode, model, str(path), str(repeats)]
            made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{mode:12}{made['words']:5} {made['wer']:5.3f} {made['gap']:10.1f} s {made['seconds']:8.1f} "
                f"{made['cpu']:7.1f} {made['realtime']:12.1f} {made['peak']:5.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Measures time and memory of `undertone annotate` on ten minutes and three hours of real speech.

python bench/annotate.py [FOLDER WITH THE SHARED DATA] [MINUTES ...]

Repeats single-voice recordings as meetings of six voices; prints seconds, real-time factor and peak memory. Where
Whisper base is present, the first length is also transcribed alone, by our engine and by faster-whisper's batched mode.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats

DATA = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("UNDERTONE_SHARED_DATA", "../shared/data"))
WHISPER = EngineSettings().models_dir / "faster-whisper-base"
VOICES, PAUSE = 6, 0.5  # seconds between two turns


def load(path: Path) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        mix = Path(folder, "mix.f32")
        decode_sound(str(path), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
        return np.fromfile(mix, dtype="<f4")


def write_meeting(folder: Path, minutes: float, target: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".opus", ".flac", ".wav"})[:VOICES]
    turns = [np.pad(load(path), (0, int(PAUSE * SAMPLE_RATE))) for path in files]
    left = int(minutes * 60 * SAMPLE_RATE)
    with wave.open(str(target), "wb") as out:
        out.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        while left > 0:
            for turn in turns:
                out.writeframes((turn[:left] * 32_000).astype("<i2").tobytes())
                left -= len(turn)
                if left <= 0:
                    break


def annotate(recording: Path, scratch: str) -> tuple[float, float, int]:
    """Seconds, seconds of CPU, and the peak memory in MB."""
    command = [sys.executable, "-m", "services.cli", "annotate", str(recording), "-o", scratch, "-q"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    began = os.times().elapsed
    _, status, used = os.wait4(process.pid, 0)
    seconds = os.times().elapsed - began
    if status:
        raise SystemExit(f"annotate failed with {status}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024


def transcribe(mode: str, model: Path, recording: Path) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).with_name("transcription.py")), mode, str(model), str(recording), "1"]
    made: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return made


def main() -> None:
    folder, minutes = DATA / "speech" / "librispeech_speakers", [float(one) for one in sys.argv[2:]] or [10.0, 180.0]
    if not folder.is_dir():
        print(f"skipped: there is no {folder}; UNDERTONE_SHARED_DATA names the folder of the shared data")
        return
    with tempfile.TemporaryDirectory() as scratch:
        for length in minutes:
            recording = Path(scratch, f"{length:g}.wav")
            write_meeting(folder, length, recording)
            seconds, cpu, peak = annotate(recording, scratch)
            made = json.loads(recording.with_suffix(".json").read_text())
            words = next(one for one in made["provenance"] if one["stage"] == "transcribe")
            print(
                f"{length:g} min, words by {words['engine']}: {seconds:.0f} s, {cpu:.0f} s of CPU, "
                f"{length * 60 / seconds:.1f} x real time, {peak} MB at most, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            for mode in ("undertone", "batched") if length == minutes[0] and WHISPER.is_dir() else ():
                alone = transcribe(mode, WHISPER, recording)
                print(f"    {mode}, words only: {alone['seconds']:.0f} s, {alone['cpu']:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main()

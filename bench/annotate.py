"""Measures time and memory of `undertone annotate` on ten minutes and three hours of real speech.

python bench/annotate.py [FOLDER WITH THE SHARED DATA] [MINUTES ...]

Repeats single-voice recordings as meetings of six voices; prints seconds, real-time factor and peak memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats

DATA = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("UNDERTONE_SHARED_DATA", "../shared/data"))
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


def main() -> None:
    folder, minutes = DATA / "speech" / "librispeech_speakers", [float(one) for one in sys.argv[2:]] or [10.0, 180.0]
    if not folder.is_dir():
        print(f"skipped: there is no {folder}; UNDERTONE_SHARED_DATA names the folder of the shared data")
        return
    with tempfile.TemporaryDirectory() as scratch:
        for length in minutes:
            recording = Path(scratch, f"{length:g}.wav")
            write_meeting(folder, length, recording)
            command = [sys.executable, "-m", "services.cli", "annotate", str(recording), "-o", scratch, "-q"]
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            began = os.times().elapsed
            _, status, used = os.wait4(process.pid, 0)
            seconds = os.times().elapsed - began
            if status:
                raise SystemExit(f"annotate failed with {status}")
            print(
                f"{length:g} min: {seconds:.0f} s, {length * 60 / seconds:.1f} x real time, "
                f"{used.ru_maxrss // 1024} MB at most, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

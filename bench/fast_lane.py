"""Measures how soon a short clip is answered over the OpenAI route while batch jobs fill the queue.

python bench/fast_lane.py [JOBS] [SECONDS OF SPEECH] [CLIPS]
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.secret_encryption import new_key
from tests.running_service import SAMPLE, serve_command

JOBS, SECONDS, CLIPS = (int(value) for value in (*sys.argv[1:], *("200", "12", "3")[len(sys.argv) - 1 :]))
PORT, RATE = 8766, 16_000
LIMIT = 30.0  # seconds; live captioning clients give up then


@contextmanager
def service(folder: Path) -> Iterator[str]:
    environment = {**os.environ, "SECRETS__KEYS": new_key(), "GATEWAY__REQUESTS_PER_MINUTE": "1000000"}
    process = subprocess.Popen(serve_command(folder, PORT), env=environment, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{PORT}"
    try:
        while True:
            try:
                if httpx.get(f"{address}/readyz").status_code == httpx.codes.OK:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def speech(seconds: int, first: int) -> bytes:
    """A WAV of the sample meeting from this second on."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    samples = bytearray()
    with av.open(str(SAMPLE)) as recording:
        for frame in recording.decode(audio=0):
            for part in resampler.resample(frame):
                samples += bytes(part.planes[0])[: part.samples * 2]
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples[first * RATE * 2 : (first + seconds) * RATE * 2])
    return content.getvalue()


def count(client: httpx.Client, status: str) -> int:
    found, cursor = 0, None
    while True:
        page = client.get("/v1/jobs", params={"status": status, "limit": 100, **({"cursor": cursor} if cursor else {})})
        shown = page.raise_for_status().json()
        found += len(shown["items"])
        if not (cursor := shown.get("next_cursor")):
            return found


def fill(client: httpx.Client) -> None:
    body, kind = SAMPLE.read_bytes(), {"content-type": "video/mp4"}
    for number in range(JOBS):  # each body differs: the same content would be one job
        client.post("/v1/recordings", content=body + bytes(number), headers=kind).raise_for_status()


def ask(client: httpx.Client, clip: bytes) -> float:
    """The seconds until the answer."""
    began = time.monotonic()
    said = client.post("/v1/audio/transcriptions", files={"file": ("clip.wav", clip)}, data={"model": "undertone-1"})
    taken = time.monotonic() - began
    words, load = len(said.raise_for_status().json()["text"].split()), os.getloadavg()[0]
    waiting = count(client, "queued")
    print(f"{SECONDS} s of speech: {taken:.1f} s, {words} words; {waiting} jobs wait, load {load:.1f}", flush=True)
    return taken


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as scratch,
        service(Path(scratch, "data")) as address,
        httpx.Client(base_url=address, timeout=600) as client,
    ):
        fill(client)
        time.sleep(20)  # the worker of the batch queue is busy
        slowest = max(ask(client, speech(SECONDS, first=number)) for number in range(CLIPS))
    return int(slowest > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

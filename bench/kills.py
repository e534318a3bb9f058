"""Checks that no job or webhook is lost or duplicated while random processes are killed.

python bench/kills.py [RECORDINGS] [SEED]

Sends SIGKILL to a random child of `undertone serve` (Redis, web, courier, dispatcher, workers) every few seconds, and
once to all of them; then restarts it and waits. The webhooks are received and verified here.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from standardwebhooks import Webhook

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.secret_encryption import new_key
from tests.running_service import cut, serve_command

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 50
DRAW = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)  # noqa: S311  # it chooses the process to kill
PORT, ADDRESS = 8766, "http://127.0.0.1:8766"
TIMEOUT_SECONDS = 1200.0
EVERY = (3.0, 9.0)  # seconds between two kills


@dataclass
class Receiver:
    """Verifies every webhook and rejects one in ten, to test retries."""

    secret: str = ""
    ids: Counter[str] = field(default_factory=Counter)  # webhook id -> deliveries
    jobs: dict[str, set[str]] = field(default_factory=dict)  # job -> webhook ids
    false: int = 0

    def serve(self) -> ThreadingHTTPServer:
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(own.receive(body, dict(self.headers.items())))
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Suppress the request log."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def receive(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            payload = Webhook(self.secret).verify(body, {name.lower(): value for name, value in headers.items()})
        except Exception:  # noqa: BLE001  # any verification error is counted
            self.false += 1
            return 401
        number = {name.lower(): value for name, value in headers.items()}["webhook-id"]
        self.ids[number] += 1
        self.jobs.setdefault(payload["data"]["job_id"], set()).add(number)
        return 503 if DRAW.random() < 0.1 else 204


def start(folder: Path, key: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "SECRETS__KEYS": key, "GATEWAY__REQUESTS_PER_MINUTE": "1000000"}
    environment |= {"WORKER__LEASE_SECONDS": "10", "QUEUE__SWEEP_SECONDS": "2"}
    process = subprocess.Popen(
        serve_command(folder, PORT, "--workers", "2"), env=environment, stderr=subprocess.DEVNULL
    )
    request("GET", "/readyz")
    return process


def request(method: str, path: str, **content: object) -> httpx.Response:
    """Repeat the request until it succeeds, because the service is being killed."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        with contextlib.suppress(httpx.TransportError):
            response = httpx.request(method, ADDRESS + path, timeout=30, **content)  # type: ignore[arg-type]
            if response.status_code < 500:
                return response
        if time.monotonic() > until:
            raise SystemExit("The service does not respond.")
        time.sleep(0.3)


def children_of(parent: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def kill_one(process: subprocess.Popen[bytes]) -> str:
    alive = children_of(process.pid)
    if not alive:
        return "none"
    victim = DRAW.choice(alive)
    name = Path(f"/proc/{victim}/cmdline").read_bytes().replace(b"\0", b" ").decode().split()
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return "redis" if "redis" in name[0] else name[2]


def kill_all(process: subprocess.Popen[bytes]) -> None:
    for victim in [*children_of(process.pid), process.pid]:
        os.kill(victim, signal.SIGKILL)
    process.wait()
    time.sleep(1)


def done_jobs(jobs: list[str]) -> set[str]:
    """Return the jobs that are done; exit if one failed."""
    states = {job: request("GET", f"/v1/jobs/{job}").json()["status"] for job in jobs}
    if failed := {job: state for job, state in states.items() if state not in ("queued", "running", "done")}:
        raise SystemExit(f"Failed jobs: {failed}")
    return {job for job, state in states.items() if state == "done"}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder, key, receiver = Path(scratch, "data"), new_key(), Receiver()
        hook = receiver.serve()
        short = cut(Path(scratch, "short.mp4"), 4.0).read_bytes()
        process = start(folder, key)
        url = f"http://127.0.0.1:{hook.server_address[1]}/"
        made = request("POST", "/v1/webhooks", json={"url": url, "events": ["transcript.ready", "job.failed"]}).json()
        receiver.secret = made["secret"]
        kills: Counter[str] = Counter()
        jobs: list[str] = []
        began = time.monotonic()
        next_kill, kill_all_at = began + DRAW.uniform(*EVERY), began + 45
        done: set[str] = set()
        while len(done) < COUNT:
            if len(jobs) < COUNT:
                number = len(jobs)
                headers = {"content-type": "video/mp4", "idempotency-key": f"recording-{number}"}
                jobs.append(
                    request("POST", "/v1/recordings", content=short + bytes(number), headers=headers).json()["id"]
                )
            else:
                done |= done_jobs([job for job in jobs if job not in done][:10])
                time.sleep(0.3)
            now = time.monotonic()
            if now - began > TIMEOUT_SECONDS:
                raise SystemExit(f"Only {len(done)} of {COUNT} were done in {TIMEOUT_SECONDS:.0f} s.")
            if kill_all_at and now > kill_all_at:
                kill_all(process)
                kills["everything"] += 1
                kill_all_at = 0.0
                process = start(folder, key)
            elif now > next_kill:
                kills[kill_one(process)] += 1
                next_kill = now + DRAW.uniform(*EVERY)
        taken = time.monotonic() - began
        until = time.monotonic() + 300
        while len(receiver.jobs) < COUNT and time.monotonic() < until:
            time.sleep(0.5)
        transcripts = sum(request("GET", f"/v1/transcripts/{job}").status_code == 200 for job in jobs)
        left = [path for path in (folder / "scratch").rglob("*") if path.is_file()]
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        print(f"{COUNT} recordings in, {transcripts} transcripts out in {taken:.0f} s; kills: {dict(kills)}")
        print(
            f"webhooks: {len(receiver.jobs)} jobs notified, {sum(receiver.ids.values())} deliveries of "
            f"{len(receiver.ids)} messages, {receiver.false} not verified; files left in scratch: {len(left)}"
        )
        once = all(len(numbers) == 1 for numbers in receiver.jobs.values())
        if transcripts < COUNT or len(receiver.jobs) < COUNT or receiver.false or not once or left:
            raise SystemExit("A job was lost, a webhook has two ids, or scratch files were left.")


if __name__ == "__main__":
    main()

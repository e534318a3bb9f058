"""Uploads recordings and transcripts without a pause, follows their jobs, receives their webhooks, and counts."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from standardwebhooks import Webhook

ADDRESS = "http://127.0.0.1:8000"
UPLOADERS = 3
MAX_OPEN = 4  # jobs that have not ended
TEXT = "Anna: We ship the release today.\nBen: Great, I am so happy about that!\n"
REFUSALS = (503, 507)
PATIENCE_SECONDS = 150.0
IN_USE = "idempotency_key_in_use"


class Receiver:
    """Verifies every webhook and rejects one in ten, to test retries."""

    def __init__(self) -> None:
        self.secret = ""
        self.deliveries = 0
        self.forged = 0
        self.events: dict[str, set[str]] = defaultdict(set)  # job -> ids of its webhooks
        own = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(own.receive(body, {name.lower(): value for name, value in self.headers.items()}))
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
                """Suppress the request log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def receive(self, body: bytes, headers: dict[str, str]) -> int:
        self.deliveries += 1
        number = headers["webhook-id"]
        # `Webhook.verify` would also compare the time, which a fault shifts.
        sent_at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        if Webhook(self.secret).sign(number, sent_at, body.decode()) not in headers["webhook-signature"].split():
            self.forged += 1
            return 401
        self.events[json.loads(body)["data"]["job_id"]].add(number)
        return 204 if self.deliveries % 10 else 503

    def close(self) -> None:
        self._server.shutdown()


class Load:
    def __init__(self, recording: bytes, receiver: Receiver) -> None:
        self.recording = recording
        self.receiver = receiver
        self.accepted: dict[int, str] = {}  # number of the upload -> job
        self.began: dict[str, float] = {}  # job -> when its upload was sent
        self.ended: dict[str, tuple[str, float]] = {}  # job -> status and time
        self.answers: Counter[tuple[int, str]] = Counter()  # rejections: status and code
        self.broken: list[str] = []  # invariants
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._upload, daemon=True) for _ in range(UPLOADERS)]
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        answer = self.request("POST", "/v1/webhooks", {"url": self.receiver.url})
        self.receiver.secret = answer.json()["secret"]
        for thread in (*self._threads, self._watcher):
            thread.start()

    def stop_uploading(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def open_jobs(self) -> set[str]:
        return set(self.accepted.values()) - set(self.ended)

    def request(self, method: str, path: str, content: Any = None, **more: Any) -> httpx.Response:
        """Repeat a request until it is not refused; every refusal must be a problem with Retry-After."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            try:
                body = {"content": content} if isinstance(content, bytes | str) else {"json": content}
                answer = httpx.request(method, ADDRESS + path, timeout=90, **body, **more)
            except httpx.TransportError:
                self.answers[0, "no answer"] += 1
            else:
                if answer.is_success or not self._refused(method, path, answer):
                    return answer
            time.sleep(0.3)
        self.broken.append(f"{method} {path} was refused for {PATIENCE_SECONDS:g} s")
        return httpx.Response(503)

    def _refused(self, method: str, path: str, answer: httpx.Response) -> bool:
        problem = answer.json() if "problem+json" in answer.headers.get("content-type", "") else {}
        code = problem.get("code", "no problem document")
        if answer.status_code in REFUSALS or code == IN_USE:
            self.answers[answer.status_code, code] += 1
            if not problem or "retry-after" not in answer.headers:
                self.broken.append(f"{method} {path}: {answer.status_code} without a problem or Retry-After")
            return True
        if answer.status_code >= 500:
            self.answers[answer.status_code, code] += 1
            self.broken.append(f"{method} {path.partition('?')[0]}: {answer.status_code} {code}")
            return True
        return False

    def _upload(self) -> None:
        while not self._stop.is_set():
            if len(self.open_jobs) >= MAX_OPEN:
                time.sleep(0.1)
                continue
            number = next(self._numbers)
            query = {"modalities": "text", "metadata": json.dumps({"upload": number}), "language": "en"}
            headers = {"idempotency-key": f"upload-{number}", "content-type": "video/mp4"}
            content: bytes | str = self.recording + number.to_bytes(4)
            if number % 3:
                headers["content-type"], content = "text/plain", f"{TEXT}Carla: Number {number}.\n"
            began = time.monotonic()
            answer = self.request("POST", "/v1/recordings", content, params=query, headers=headers)
            if answer.status_code == 202:
                self.began[answer.json()["id"]] = began
                self.accepted[number] = answer.json()["id"]
            else:
                self.broken.append(f"upload {number}: {answer.status_code} {answer.text}")

    def _watch(self) -> None:
        while True:
            for job in sorted(self.open_jobs):
                answer = self.request("GET", f"/v1/jobs/{job}")
                status = answer.json()["status"] if answer.is_success else f"answer {answer.status_code}"
                if status not in ("queued", "running"):
                    self.ended[job] = (status, time.monotonic())
                    if status != "done":
                        self.broken.append(f"job {job}: {status} {answer.text}")
            time.sleep(0.2)

    def recovered(self, since: float) -> bool:
        """Whether a job whose upload was sent after this time is done, and no job that was accepted before is open."""
        new = any(began > since and job in self.ended for job, began in list(self.began.items()))
        return new and not any(began <= since and job not in self.ended for job, began in list(self.began.items()))

    def listed(self) -> Iterator[dict[str, Any]]:
        """Every job of the service, also those whose response was lost."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.request("GET", f"/v1/jobs?limit=100{cursor and f'&cursor={cursor}'}").json()
            yield from page["items"]
            cursor = page.get("next_cursor")

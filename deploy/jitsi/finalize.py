#!/usr/bin/env python3
"""Jibri's finalize script: sends a recording to Undertone in the background and returns at once.

    finalize.py DIRECTORY     queue the recording in DIRECTORY, and send everything that is queued
    finalize.py               send what an earlier run could not send (for cron or a systemd timer)

Environment, or the file /etc/undertone/jibri.env with lines NAME=value:

    UNDERTONE_URL    https://undertone.example.org
    UNDERTONE_KEY    an API key with the scope recordings:write
    UNDERTONE_OPTIONS  options of every job as JSON, such as {"purpose": "research"} (optional)
    UNDERTONE_QUEUE  the folder of the queue; default /var/lib/undertone-jibri (optional)

Only the standard library of Python 3.8 or newer is used. One process sends at a time. A recording is sent with an
Idempotency-Key, so that a repeated one makes no second job, and leaves the queue when the service has accepted it.
"""

import fcntl
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.parse
import uuid
from pathlib import Path

SETTINGS = Path("/etc/undertone/jibri.env")
WAITS = (5, 30, 120, 600, 1800, 3600)  # seconds between attempts; the last one is repeated
GIVE_UP_SECONDS = 3 * 24 * 3600
# Statuses that a repetition of the same request cannot change.
FINAL = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
BLOCK = 1 << 20


def main(arguments):
    settings = read_settings()
    queue = Path(settings.get("UNDERTONE_QUEUE", "/var/lib/undertone-jibri"))
    queue.mkdir(mode=0o700, parents=True, exist_ok=True)
    if arguments:
        enqueue(queue, Path(arguments[0]))
    if os.fork() == 0:  # Jibri waits for this script and starts no recording meanwhile
        os.setsid()
        run_detached(queue, settings)
        os._exit(0)
    return 0


def read_settings():
    lines = SETTINGS.read_text().splitlines() if SETTINGS.is_file() else []
    stored = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {**stored, **{name: value for name, value in os.environ.items() if name.startswith("UNDERTONE_")}}


def enqueue(queue, directory):
    """Write an entry aside and rename it, so that a sender never reads half of it."""
    metadata = read_json(directory / "metadata.json")
    for recording in sorted(directory.glob("*.mp4")):
        state = recording.stat()
        identity = f"{recording.resolve()}:{state.st_size}:{state.st_mtime_ns}"
        entry = {
            "key": hashlib.sha256(identity.encode()).hexdigest(),
            "path": str(recording.resolve()),
            "meeting_url": str(metadata.get("meeting_url", "")),
            "queued_at": time.time(),
        }
        aside = queue / f"{entry['key']}.new"
        aside.write_text(json.dumps(entry))
        aside.rename(queue / f"{entry['key']}.json")


def read_json(path):
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def run_detached(queue, settings):
    """Send until the queue is empty; another process that already does this will see the new entries too."""
    log = os.open(queue / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, log), (2, log)):  # Jibri reads the output until it is closed
        os.dup2(file, number)
    with (queue / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        tried = 0
        while entries := sorted(queue.glob("*.json")):
            sent = [send_entry(path, settings) for path in entries]
            if not all(sent):
                time.sleep(WAITS[min(tried, len(WAITS) - 1)])
                tried += 1


def send_entry(path, settings):
    """Whether the entry is finished: accepted, refused for good, or too old."""
    entry = read_json(path)
    recording = Path(entry.get("path", ""))
    if not recording.is_file():
        return finish(path, "the recording was deleted")
    try:
        status, answer = post(recording, entry, settings)
    except (OSError, http.client.HTTPException) as error:
        status, answer = 0, type(error).__name__
    if status == 202:
        return finish(path, f"accepted as job {answer}")
    if status in FINAL:
        return finish(path, f"refused with {status}: {answer}", failed=True)
    if time.time() - entry.get("queued_at", 0) > GIVE_UP_SECONDS:
        return finish(path, f"given up after {status}: {answer}", failed=True)
    print(time.strftime("%FT%TZ", time.gmtime()), path.stem[:12], "later:", status, answer, flush=True)
    return False


def finish(path, reason, failed=False):
    print(time.strftime("%FT%TZ", time.gmtime()), path.stem[:12], reason, flush=True)
    if failed:
        path.rename(path.with_suffix(".failed"))
    else:
        path.unlink()
    return True


def post(recording, entry, settings):
    """Send the file as a form, block by block; the answer is the job's id, or the error's sentence."""
    options = json.loads(settings.get("UNDERTONE_OPTIONS") or "{}")
    source = {"platform": "jibri", "meeting_url": entry["meeting_url"]}
    options["metadata"] = {**options.get("metadata", {}), "source": source}
    boundary = uuid.uuid4().hex
    head = b"".join(
        part(boundary, f'name="{name}"', value if isinstance(value, str) else json.dumps(value)) + b"\r\n"
        for name, value in options.items()
    )
    file_name = recording.name.replace('"', "")
    head += part(boundary, f'name="file"; filename="{file_name}"', "")
    tail = f"\r\n--{boundary}--\r\n".encode()
    address = urllib.parse.urlsplit(settings["UNDERTONE_URL"])
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.netloc, timeout=120)
    try:
        with recording.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            connection.putrequest("POST", f"{address.path.rstrip('/')}/v1/recordings")
            connection.putheader("Authorization", f"Bearer {settings['UNDERTONE_KEY']}")
            connection.putheader("Idempotency-Key", entry["key"])
            connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
            connection.putheader("Content-Length", str(len(head) + size + len(tail)))
            connection.endheaders(head)
            while block := file.read(BLOCK):
                connection.send(block)
        connection.send(tail)
        response = connection.getresponse()
        answer = response.read(65536)
    finally:
        connection.close()
    try:
        fields = json.loads(answer)
    except ValueError:
        fields = {}
    return response.status, fields.get("id") or fields.get("detail") or fields.get("code") or ""


def part(boundary, disposition, content):
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}".encode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

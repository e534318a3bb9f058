"""Annotates the first recording of a new service over HTTP, as a client would."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import httpx

from shared.domain.error import EngineFailed
from shared.domain.transcript import Transcript

FINISHED_STATUSES = ("done", "failed", "cancelled")


def annotate_over_http(address: str, recording: Path, stop: Event) -> Transcript | None:
    """Return its transcript, or None if the service stopped before it was ready."""
    with httpx.Client(base_url=address, timeout=30.0, trust_env=False) as client:
        with recording.open("rb") as media:
            response = client.post("/v1/recordings", files={"file": (recording.name, media)}).raise_for_status()
        location = response.headers["location"]
        while not stop.is_set():
            job = client.get(location).raise_for_status().json()
            if job["status"] in FINISHED_STATUSES:
                break
            time.sleep(0.5)
        else:
            return None
        if job["status"] != "done":
            raise EngineFailed(f"The recording {recording.name} ended with the status {job['status']}.")
        return Transcript.model_validate_json(client.get(f"/v1/transcripts/{job['id']}").raise_for_status().content)

"""A recording is uploaded over one port, and its transcript is read, searched, corrected and erased over the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running_service import cut
from tests.served import Served, served, until

__all__ = ["served"]

SAID = "WEBVTT\n\n00:00.500 --> 00:02.000\n<v Ana>The quarterly xylophones arrived.\n"


@pytest.mark.slow
def test_a_transcript_is_read_searched_corrected_and_erased(served: Served, tmp_path: Path) -> None:
    recording = cut(tmp_path / "short.mp4", seconds=4.0)
    until(lambda: "services.worker" in served.children(), "the worker")
    with httpx.Client(base_url=served.address, timeout=30) as client, recording.open("rb") as file:
        files: dict[str, Any] = {"file": file, "transcript": ("said.vtt", SAID.encode())}
        answer = client.post("/v1/recordings", files=files, data={"modalities": "text"})
        assert answer.status_code == 202, answer.text
        job = answer.headers["location"]
        path = f"/v1/transcripts/{job.rpartition('/')[2]}"
        early = client.get(path)
        assert early.status_code == 200 or early.json()["code"] == "not_ready"
        until(lambda: client.get(job).json()["status"] in ("done", "failed"), served.logs())
        assert client.get(f"{path}.vtt").text.startswith("WEBVTT"), client.get(job).text

        def found(words: str) -> int:
            return len(client.get("/v1/search", params={"q": words}).json()["items"])

        assert found("quarterly xylophones") == 1
        corrected = client.patch(f"{path}/utterances/0", json={"text": "The quarterly zeppelins arrived."})
        assert corrected.status_code == 200, corrected.text
        assert (found("xylophones"), found("zeppelins")) == (0, 1)
        assert "zeppelins" in client.get(f"{path}.srt").text
        assert client.get(f"{path}/summary").json()["speakers"][0]["name"] == "Ana"
        assert client.delete(job).status_code in (202, 204)
        assert (client.get(path).status_code, found("zeppelins")) == (404, 0)
        until(lambda: "zeppelins" not in everything(served.data), "the erasure did not finish")
        assert "xylophones" not in everything(served.data)
        assert not list((served.data / "blobs").rglob("transcript.json"))


@pytest.mark.slow
@pytest.mark.parametrize("requested", [True, False], ids=["with the recording", "later"])
def test_a_captioned_video_follows_its_transcript(served: Served, tmp_path: Path, requested: bool) -> None:
    recording = cut(tmp_path / "short.mp4", seconds=4.0)
    until(lambda: "services.worker" in served.children(), "the worker")
    with httpx.Client(base_url=served.address, timeout=30) as client, recording.open("rb") as file:
        files: dict[str, Any] = {"file": file, "transcript": ("said.vtt", SAID.encode())}
        data = {"modalities": "text", **({"captions": "true"} if requested else {})}
        job = client.post("/v1/recordings", files=files, data=data).headers["location"]
        path = f"/v1/transcripts/{job.rpartition('/')[2]}"
        until(lambda: client.get(job).json()["status"] in ("done", "failed"), served.logs())
        if not requested:
            assert client.get(f"{path}.mp4").json()["code"] == "video_not_available"
            assert client.post(f"{path}/video").status_code == 202
        until(lambda: client.get(job).json()["stages"][-1]["status"] in ("done", "failed"), served.logs())
        video = client.get(f"{path}.mp4")
        assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4"), client.get(job).text
        part = client.get(f"{path}.mp4", headers={"Range": "bytes=4-7", "If-Range": video.headers["etag"]})
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert 'undertone_recent_stages{stage="caption",status="done"} ' in client.get("/metrics").text


def everything(folder: Path) -> str:
    """The content of all tables, including the search index."""
    with closing(sqlite3.connect(folder / "undertone.db")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return str([database.execute(f"SELECT * FROM {name}").fetchall() for name in names])  # noqa: S608

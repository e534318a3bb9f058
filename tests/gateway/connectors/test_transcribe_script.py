"""The script of BigBlueButton's server, run by Debian's Ruby, against gateway and results."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.gateway.app import gateway_service
from services.results.app import results_services
from shared.infra.web.application import create_application
from tests.gateway.compat.finished_jobs import fail, finish, spoken
from tests.gateway.connectors.announcing import imported, jobs
from tests.gateway.serving import Gateway, running

SCRIPT = Path(__file__).parents[3] / "deploy" / "bigbluebutton" / "transcribe.rb"
# Without ffmpeg the test checks everything but the sound: this one copies its first input to the output.
COPY = '#!/bin/sh\nwhile [ "$1" != -i ]; do shift; done; input=$2\nfor output; do :; done\ncp "$input" "$output"\n'

pytestmark = pytest.mark.skipif(shutil.which("ruby") is None, reason="ruby is missing (apt-get install ruby)")


def event(kind: str, /, **fields: object) -> str:
    inner = "".join(f"<{field}>{value}</{field}>" for field, value in fields.items())
    return f'<event eventname="{kind}">{inner}</event>'


@pytest.fixture
def meeting(tmp_path: Path) -> Path:
    """The raw recording of a meeting: Ben joins two seconds after Ana."""
    audio = tmp_path / "audio"
    audio.mkdir()
    events = [
        event("ParticipantJoinEvent", userId="u1", name="Ana"),
        event("ParticipantJoinEvent", userId="u2", name="Ben &amp; Co"),
    ]
    for user, at in (("u1", 1000), ("u2", 3000)):
        name = f"microphone-{user}-t1.webm"
        with wave.open(str(audio / name), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(b"".join(struct.pack("<h", number % 99) for number in range(8000)))
        events.append(event("AudioTrackPublishedEvent", userId=user, timestampUTC=at, filename=f"/x/{name}"))
    (tmp_path / "events.xml").write_text(f'<recording meeting_id="m-1">{"".join(events)}</recording>')
    return audio


@pytest.fixture
def server(gateway: Gateway) -> Iterator[Gateway]:
    """Gateway and results as one application, as `undertone serve` runs them."""
    blobs = gateway.context.transcripts.blobs
    services = [gateway_service(gateway.context), *results_services(gateway.database, blobs, keyless=False)]
    with running(create_application(services, gateway.context.settings, gateway.database)) as url:
        yield replace(gateway, url=url)


def start(server: Gateway, audio: Path, user: str, **more: str) -> subprocess.Popen[str]:
    programs = audio.parent / "bin"
    if shutil.which("ffmpeg") is None and not programs.exists():
        programs.mkdir()
        (programs / "ffmpeg").write_text(COPY)
        (programs / "ffmpeg").chmod(0o700)
    values = {"UNDERTONE_URL": server.url, "UNDERTONE_KEY": server.keys["ours"], "TMPDIR": str(audio.parent), **more}
    path = f"{programs}:{os.environ['PATH']}"
    file, output = audio / f"microphone-{user}-t1.webm", audio.parent / f"{user}.json"
    return subprocess.Popen(
        [SCRIPT, file, output, audio.parent / "events.xml"],
        env={**os.environ, **values, "PATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )


def written(audio: Path, user: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((audio.parent / f"{user}.json").read_text())
    return found


def test_the_microphones_of_a_meeting_become_tracks_of_one_job(server: Gateway, meeting: Path) -> None:
    calls = [start(server, meeting, user) for user in ("u1", "u2")]
    (job,) = imported(server)
    assert [track.name for track in job.job.tracks] == ["Ana", "Ben & Co"]
    assert job.metadata == {"source": {"platform": "bigbluebutton", "meeting": "m-1"}}
    said = spoken()
    speakers = [
        one.model_copy(update={"name": name}) for one, name in zip(said.speakers, ("Ana", "Ben & Co"), strict=True)
    ]
    finish(server, job.id, said.model_copy(update={"speakers": tuple(speakers)}))
    for call in calls:
        _, errors = call.communicate(timeout=60)
        assert call.returncode == 0, errors
    assert len(jobs(server)) == 1
    first, second = said.utterances
    for user, one, start_at in (("u1", first, 0.0), ("u2", second, 2.0)):
        if one.start >= start_at:
            offsets = {"from": round((one.start - start_at) * 1000), "to": round((one.end - start_at) * 1000)}
            expected = [{"offsets": offsets, "text": one.text}]
        else:
            expected = []
        assert written(meeting, user) == {"transcription": expected, "language": said.language}


def test_a_failed_job_and_a_refused_key_are_reported(server: Gateway, meeting: Path) -> None:
    refused = start(server, meeting, "u1", UNDERTONE_KEY="wrong")
    assert "refused the recording (401)" in refused.communicate(timeout=60)[1]
    call = start(server, meeting, "u1")
    fail(server, imported(server)[0].id)
    _, errors = call.communicate(timeout=60)
    assert (call.returncode, "It has no sound." in errors) == (1, True), errors
    assert not list(meeting.parent.glob("*.json"))

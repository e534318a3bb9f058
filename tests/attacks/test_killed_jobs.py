"""After a worker is killed and its job is erased, no file, object or row of the service contains data of the job."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.domain.job_blobs import job_folder
from shared.infra.database.engine import open_database
from tests.attacks.served import ATTACKER, Served, serving
from tests.running_service import cut
from tests.stores import opened_stores

pytestmark = pytest.mark.slow
WAIT_SECONDS = 150.0
NAMES = re.compile(rb"(quoll|numbat|bilby|potoroo)[0-9]+zyx", re.IGNORECASE)
PART = 48  # bytes that no other content has by chance


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    settings = {"RETENTION__MEDIA_HOURS": "24", "WORKER__LEASE_SECONDS": "5"}  # erasure waits for the lease's end
    with opened_stores(tmp_path / "state") as stores, serving(stores, **settings) as running:
        yield running


def wait_for(true: Callable[[], object], what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def kill_workers(served: Served) -> int:
    """SIGKILL for every worker and its pool children; the supervisor starts new ones."""
    killed = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            environment, command = path.with_name("environ").read_bytes(), path.read_bytes()
        except OSError:
            continue  # it has ended
        if b"services.worker" in command and str(served.stores.folder).encode() in environment:
            os.kill(int(path.parent.name), signal.SIGKILL)
            killed += 1
    return killed


def parts_of(served: Served, job_id: str) -> set[bytes]:
    """Bytes that only files of the job can contain: parts of the recording and of the decoded sound."""
    found: set[bytes] = set()
    with closing(open_database(served.stores.database_url)) as database:
        blobs = served.stores.blobs(database)
        for key in blobs.keys(ATTACKER, job_folder(job_id)):
            if key.endswith((".f32", "recording")):
                content = b"".join(blobs.read(ATTACKER, key))
                slices = (
                    content[at : at + PART] for at in range(0, len(content) - PART, max(PART, len(content) // 50))
                )
                found |= {part for part in slices if len(set(part)) > PART // 3}
    return found


def left(served: Served, parts: set[bytes]) -> list[str]:
    return [
        name
        for name, content in served.stores.contents()
        if NAMES.search(name.encode() + content) or any(part in content for part in parts)
    ]


def test_no_byte_of_a_killed_and_erased_job_remains(served: Served, tmp_path: Path) -> None:
    recording = cut(tmp_path / "quoll1zyx.mp4", seconds=6.0)
    fields = {
        "metadata": '{"x": "numbat2zyx"}',
        "vocabulary": "bilby3zyx",
        "engines": "asr=pocketsphinx,faces=cascade",
        "consent": '{"reference": "potoroo4zyx"}',
    }
    with served.client() as client:
        answer = client.post("/v1/recordings", files={"file": (recording.name, recording.read_bytes())}, data=fields)
        assert answer.status_code == 202, answer.text
        path, job_id = answer.headers["location"], answer.json()["id"]

        def running() -> bool:
            stages = {one["name"]: one["status"] for one in client.get(path).json()["stages"]}
            return bool(stages["transcribe"] == "running")

        wait_for(running, "the job is not transcribed")
        parts = parts_of(served, job_id)
        assert len(parts) > PART and kill_workers(served)
        assert left(served, parts), "it is stored before"
        assert client.delete(path).status_code in (202, 204)
        with closing(open_database(served.stores.database_url)) as database:
            blobs = served.stores.blobs(database)
            wait_for(lambda: not list(blobs.keys(ATTACKER, job_folder(job_id))), "the blobs are not erased")
        scratch = served.stores.folder / "scratch"
        wait_for(lambda: scratch.is_dir() and not list(scratch.iterdir()), "the scratch folder is not emptied")

    def nothing_left() -> bool:
        served.stores.maintain()
        return not left(served, parts)

    wait_for(nothing_left, "something remains")

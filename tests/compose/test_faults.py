"""A deployment loses no job when one of its containers is killed while the job runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose.conftest import MEASUREMENTS
from tests.compose.deployment import Deployment, deployed, wait_for
from tests.running_service import cut

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("images")]
OBJECTS = {
    "STORAGE__BUCKET": "undertone",
    "STORAGE__ENDPOINT": "http://objects:7070",
    "COMPOSE_PROFILES": "objects",
    "WORKER__LEASE_SECONDS": "10",
    "QUEUE__SWEEP_SECONDS": "2",
}


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """With object storage, so that a failure of storage can be tested too."""
    with deployed(Deployment("undertone-faults", 18001, OBJECTS)) as made:
        MEASUREMENTS["from up to all services healthy, with object storage"] = f"{made.start():.0f} s"
        made.read_key()
        yield made


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("media") / "meeting.mp4", 20.0)


@pytest.mark.parametrize("service", ["worker-cpu", "redis", "postgres", "dispatcher", "courier", "gateway"])
def test_a_kill_during_a_job_loses_nothing(deployment: Deployment, recording: Path, service: str) -> None:
    job = deployment.submit(recording)
    wait_for("a running stage", lambda: deployment.job(job)["status"] == "running", 60)
    deployment.kill(service)
    deployment.compose("start", service)
    MEASUREMENTS[f"20 s of video, {service} killed"] = f"{deployment.wait_done(job):.0f} s"
    with deployment.client() as client:
        assert client.get(f"/v1/transcripts/{job}").json()["utterances"]


def test_without_object_storage_the_gateway_is_not_ready_and_rejects_uploads(
    deployment: Deployment, recording: Path
) -> None:
    deployment.compose("stop", "objects")
    with deployment.client() as client:
        wait_for("the gateway to notice", lambda: client.get("/readyz").status_code == 503, 60)
        answer = client.post("/v1/recordings", files={"file": recording.read_bytes()})
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "storage_unavailable" and int(answer.headers["retry-after"]) > 0
        deployment.compose("start", "objects")
        wait_for("the gateway to recover", lambda: client.get("/readyz").status_code == 200, 60)
    deployment.wait_done(deployment.submit(recording))


def test_a_busy_worker_stops_within_its_grace(deployment: Deployment, recording: Path) -> None:
    job = deployment.submit(recording)
    wait_for("a running stage", lambda: deployment.job(job)["status"] == "running", 60)
    deployment.compose("stop", "worker-cpu")
    state = deployment.health()["worker-cpu"]
    assert state == "exited 0", state
    deployment.compose("start", "worker-cpu")
    deployment.wait_done(job)

"""A recording is processed by the containers over the edge's one port, from upload to erasure."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.compose.conftest import MEASUREMENTS
from tests.compose.deployment import Deployment, deployed, docker, wait_for
from tests.compose.receiver import receiving
from tests.running_service import cut

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("images")]
OURS = ("gateway", "results", "courier", "dispatcher", "worker-cpu")
CANARY = "zanzibarite"
ALLOW_RECEIVER = {"OUTBOUND__ALLOW": "172.16.0.0/12,192.168.0.0/16,10.0.0.0/8", "OUTBOUND__PLAIN_HTTP": "true"}


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with deployed(Deployment("undertone-journey", 18000, ALLOW_RECEIVER)) as made:
        MEASUREMENTS["from up to all services healthy, first start"] = f"{made.start():.0f} s"
        made.read_key()
        yield made


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("media") / f"{CANARY}.mp4", 12.0)


@pytest.fixture(scope="module")
def job(deployment: Deployment, recording: Path) -> str:
    """A finished job with a requested captioned video."""
    with receiving(f"{deployment.name}_outside") as receiver, deployment.client() as client:
        endpoint = client.post("/v1/webhooks", json={"url": receiver.url, "events": ["transcript.ready"]})
        assert endpoint.status_code == 201, endpoint.text
        job_id = deployment.submit(recording, captions="true", metadata=json.dumps({"note": CANARY}))
        MEASUREMENTS["12 s of video to a transcript, first job"] = f"{deployment.wait_done(job_id):.0f} s"
        wait_for("the webhook", receiver.received, 60)
        (request,) = receiver.received()
        event = Webhook(endpoint.json()["secret"]).verify(request.body, request.headers)
        assert event["type"] == "transcript.ready" and event["data"]["job_id"] == job_id
        link = event["data"]["transcript_url"]
        assert link.startswith(f"http://localhost:{deployment.port}/")
        assert client.get(link).json()["job_id"] == job_id, "the receiver can follow the link"
    return job_id


def test_the_first_key_works_and_is_shown_once(deployment: Deployment) -> None:
    with deployment.client() as client:
        assert client.get("/v1/jobs").status_code == 200
    assert deployment.logs("gateway").count(deployment.key) == 1


def test_requests_without_a_key_are_rejected(deployment: Deployment) -> None:
    with replace(deployment, key="").client() as client:
        assert client.get("/v1/jobs").status_code == 401
        assert client.get("/v1/search", params={"q": "x"}).status_code == 401


def test_the_event_stream_ends_with_the_job(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        text = client.get(f"/v1/jobs/{job}/events").text
    assert "event: end" in text and '"status":"done"' in text.replace(" ", "")


def test_a_transcript_has_words_speakers_and_emotions(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        transcript = client.get(f"/v1/transcripts/{job}").json()
        assert transcript["utterances"] and transcript["utterances"][0]["emotion"]["label"]
        assert client.get(f"/v1/transcripts/{job}.vtt").text.startswith("WEBVTT")
        assert client.get(f"/v1/transcripts/{job}.rttm").text.startswith("SPEAKER ")
        word = transcript["utterances"][0]["words"][-1]["text"]
        assert any(job in str(item) for item in client.get("/v1/search", params={"q": word}).json()["items"])


def test_the_edge_serves_the_pages_and_the_recording(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        assert f"/meetings/{job}" in client.get("/").text
        assert "data-start=" in client.get(f"/meetings/{job}").text
        assert client.get("/page/meeting.js").headers["content-type"].startswith("text/javascript")
        media = client.get(f"/v1/jobs/{job}/media", headers={"Range": "bytes=4-7"})
        assert (media.status_code, media.content) == (206, b"ftyp")


def test_the_captioned_video_is_rendered(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        wait_for("the captioned video", lambda: client.get(f"/v1/transcripts/{job}.mp4").status_code == 200)
        assert client.get(f"/v1/transcripts/{job}.mp4").content[4:8] == b"ftyp"


def test_a_worker_reaches_only_its_servers(deployment: Deployment) -> None:
    """It cannot reach the gateway, results, the host on any bridge address, or the internet."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - what a container must not reach
        port = server.getsockname()[1]
        gateways = docker(
            "network", "inspect", "-f", "{{range .IPAM.Config}}{{.Gateway}} {{end}}",
            *(f"{deployment.name}_{network}" for network in ("database", "queue", "storage", "front", "outside")),
        ).split()  # fmt: skip
        targets = [("gateway", 8000), ("results", 8001), ("edge", 8080), ("1.1.1.1", 443)]
        targets += [(address, port) for address in gateways]
        script = f"""
import socket
for host, port in {targets!r}:
    try:
        socket.create_connection((host, port), 3).close()
        print(host)
    except OSError:
        pass
"""
        assert deployment.run_python("worker-cpu", script) == ""
        assert deployment.run_python("worker-cpu", "import socket; socket.create_connection(('redis', 6379), 3)") == ""


def test_more_workers_share_the_queue(deployment: Deployment, recording: Path) -> None:
    deployment.start("--scale", "worker-cpu=2")
    jobs = [deployment.submit(recording) for _ in range(2)]
    for job_id in jobs:
        deployment.wait_done(job_id)
    for number in (1, 2):
        assert "worker.stage_ended" in docker("logs", deployment.container("worker-cpu", number))
    deployment.start("--scale", "worker-cpu=1")


def test_all_data_survives_down_and_up(deployment: Deployment, job: str) -> None:
    deployment.compose("down", "--timeout", "30")
    MEASUREMENTS["from up to all services healthy, second start"] = f"{deployment.start():.0f} s"
    with deployment.client() as client:
        assert client.get(f"/v1/transcripts/{job}").status_code == 200
    assert deployment.key not in deployment.logs("gateway"), "the key is shown at the first start only"


def test_tls_at_the_edge(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    for path in (folder, *folder.iterdir(), *list(folder.parents)[:3]):
        path.chmod(0o755)  # for the user of nginx; the parent folders belong to the test
    secure = replace(
        deployment,
        settings={**deployment.settings, "UNDERTONE_TLS_FOLDER": str(folder)},
        files=("docker-compose.yml", "docker/tls.yml"),
    )
    secure.start("edge")
    trusted = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
    with secure.client(base_url=f"https://127.0.0.1:{deployment.port}", verify=trusted) as client:
        answer = client.get("/v1/jobs")
        assert answer.status_code == 200 and "max-age" in answer.headers["strict-transport-security"]
    deployment.start("edge")


def test_logs_are_json_and_contain_no_word_of_a_recording(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        said = {word["text"] for u in client.get(f"/v1/transcripts/{job}").json()["utterances"] for word in u["words"]}
    whole = deployment.logs()
    assert CANARY not in whole
    for service in OURS:
        for line in deployment.logs(service).splitlines():
            event = json.loads(line)
            assert not said & set(str(event.get("event", "")).split()), line


def test_an_erased_job_is_deleted(deployment: Deployment, job: str) -> None:
    with deployment.client() as client:
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
        assert client.get(f"/v1/transcripts/{job}").status_code == 404
        assert client.get(f"/v1/jobs/{job}").status_code == 404


def test_down_with_volumes_deletes_everything(deployment: Deployment) -> None:
    deployment.remove()
    assert deployment.left_over() == ""

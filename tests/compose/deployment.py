"""A deployment of docker-compose.yml on an engine: started, used over its one port, and removed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.compose.engine import compose_command

ROOT = Path(__file__).parents[2]
BASES = ROOT / "docker" / "bases" / "bases.env"
KEY = re.compile(r"ut_[0-9a-f]+_[\w-]+")
WAIT_SECONDS = 180.0
ENDED = ("done", "failed", "cancelled")
IMAGES = {
    "UNDERTONE_WEB_IMAGE": "undertone-web:test",
    "UNDERTONE_WORKER_IMAGE": "undertone-worker-cpu:test",
    "UNDERTONE_WORKER_GPU_IMAGE": "undertone-worker-gpu:test",
}


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}\n{done.stderr}"
    return done.stdout


def wait_for(what: str, true: Callable[[], object], seconds: float = WAIT_SECONDS) -> float:
    """Return the seconds until the condition was true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.25)
    return time.monotonic() - began


@dataclass
class Deployment:
    """`files` are passed to Compose with -f, `settings` as its environment; `port` is the edge's."""

    name: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ("docker-compose.yml",)
    key: str = ""

    def compose(self, *arguments: str, check: bool = True) -> str:
        command = [*compose_command(), "--project-name", self.name, "--env-file", str(BASES)]
        for file in self.files:
            command += ["-f", file]
        environment = {**os.environ, **IMAGES, "UNDERTONE_PORT": str(self.port), "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            [*command, *arguments],
            cwd=ROOT,
            env={**environment, **self.settings},
            check=False,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"compose {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, *options: str) -> float:
        """Return the seconds from `up` until every service is healthy."""
        began = time.monotonic()
        done = self.compose("up", "-d", "--no-build", *options, "--wait", "--wait-timeout", "180", check=False)
        unhealthy = {name: state for name, state in self.health().items() if state not in ("healthy", "exited 0")}
        logs = {name: self.logs(name)[-2000:] for name in unhealthy}
        assert not unhealthy, f"{unhealthy}\n{logs}\n{done}"
        return time.monotonic() - began

    def health(self) -> dict[str, str]:
        found = {}
        for line in self.compose("ps", "--all", "--format", "json").splitlines():
            row = json.loads(line)
            exited = f"exited {row['ExitCode']}" if row["State"] == "exited" else row["State"]
            found[row["Service"]] = row["Health"] or exited
        return found

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", "--no-log-prefix", *services)

    def container(self, service: str, number: int = 1) -> str:
        return f"{self.name}-{service}-{number}"

    def kill(self, service: str) -> None:
        """Kill the process; the restart policy does not apply to `docker kill`, so the container is started again."""
        docker("kill", "--signal", "KILL", self.container(service))

    def run_python(self, service: str, script: str) -> str:
        return self.compose("exec", "-T", service, "python", "-c", script).strip()

    def read_key(self) -> str:
        found = KEY.search(self.logs("gateway"))
        assert found, self.logs("gateway")
        self.key = found[0]
        return self.key

    def client(self, **options: Any) -> httpx.Client:
        options = {"base_url": f"http://127.0.0.1:{self.port}", "timeout": 60.0, "trust_env": False, **options}
        return httpx.Client(headers={"Authorization": f"Bearer {self.key}"} if self.key else {}, **options)

    def submit(self, recording: Path, **options: str) -> str:
        with self.client() as client, recording.open("rb") as media:
            answer = client.post("/v1/recordings", files={"file": (recording.name, media)}, data=options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Retry until the edge responds, because a restarting service is unavailable for a moment."""
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.client() as client:
                    answer = client.get(f"/v1/jobs/{job_id}")
                if answer.status_code < 500:
                    return dict(answer.raise_for_status().json())
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "the edge does not respond"
            time.sleep(0.5)

    def wait_done(self, job_id: str) -> float:
        seconds = wait_for(f"job {job_id}", lambda: self.job(job_id)["status"] in ENDED)
        ended = self.job(job_id)
        assert ended["status"] == "done", ended
        return seconds

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "10")

    def left_over(self) -> str:
        label = f"label=com.docker.compose.project={self.name}"
        kinds = (("ps", "-aq"), ("volume", "ls", "-q"), ("network", "ls", "-q"))
        return "".join(docker(*kind, "--filter", label) for kind in kinds)


@contextmanager
def deployed(deployment: Deployment) -> Iterator[Deployment]:
    deployment.remove()
    try:
        yield deployment
    finally:
        deployment.remove()

"""What the images hold, without a container engine: the Dockerfile's own steps in a folder, measured and started.

It downloads several hundred megabytes and takes minutes: `make images`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from shared.infra.database.engine import open_database
from shared.infra.redis_server import RedisServer, end_with_parent
from tests.service_running import cut

ASKED = "UNDERTONE_TEST_IMAGES"
POSTGRES = "UNDERTONE_TEST_POSTGRES"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ASKED not in os.environ, reason=f"it takes minutes: make images, or {ASKED}=1"),
]
ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
# python:3.12-slim-bookworm, unpacked, as `docker images` shows it; the GPU's base is NVIDIA's and not ours to count.
BASE_MB = 130
MOST_MB = {"web": 250, "worker": 1400}
PATIENCE = 90.0


def stage(name: str) -> str:
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1].replace("\\\n", " ")


def build(image: str, root: Path) -> Path:
    """The stage's COPY and RUN lines, with `/` replaced by our folder."""
    app, venv = root / "app", root / "opt" / "undertone"
    app.mkdir(parents=True)
    for line in stage(f"{image}-build").splitlines():
        word, _, rest = line.partition(" ")
        if word == "COPY":
            source, target = rest.split()
            _copy(ROOT / source, root / target.lstrip("/") if target.startswith("/") else app / target)
        elif word == "RUN":
            command = rest.replace("/opt/undertone", str(venv))
            command = re.sub(r"/(requirements|telemetry)\.txt", rf"{root}/\1.txt", command)
            command = re.sub(
                r"\bpython -m", f"{shlex.quote(sys.executable)} -m", command.replace("bin/python", "bin/PY")
            )
            environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
            subprocess.run(
                ["/bin/bash", "-ec", command.replace("bin/PY", "bin/python")], cwd=app, env=environment, check=True
            )
    return root


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "trainer"))
    else:
        shutil.copy(source, target)


def megabytes(folder: Path) -> float:
    """As an engine counts a layer: the bytes of its files, not the blocks of a disk."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


@dataclass
class Containers:
    """Processes that are started as the images start them, with the environment that compose gives them."""

    folder: Path
    images: Mapping[str, Path]
    redis: RedisServer
    database: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def environment(self, service: str) -> dict[str, str]:
        set_here = {
            name: str(value)
            for name, value in COMPOSE[service]["environment"].items()
            if value is not None and "${" not in str(value)
        }
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **set_here,
            "DATABASE__URL": self.database or f"sqlite:///{self.folder / 'undertone.db'}",
            "REDIS__URL": self.redis.url,
            "SECRETS__KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "STORAGE__FOLDER": str(self.folder / "data"),
            "STORAGE__RESERVE_MB": "1",
            "GATEWAY__HOST": "127.0.0.1",
            "GATEWAY__PORT": "18750",
            "RESULTS__HOST": "127.0.0.1",
            "RESULTS__PORT": "18751",
            "ENGINES__MODELS_DIR": str(self.folder / "models"),
            "WORKER__SCRATCH": str(self.folder / "scratch"),
            "WORKER__SHUTDOWN_SECONDS": "1",
            "UNDERTONE_BEAT_FILE": str(self.folder / f"{service}.beat"),
        }

    def python(self, service: str) -> str:
        image = "worker" if service.startswith("worker") else "web"
        return str(self.images[image] / "opt" / "undertone" / "bin" / "python")

    def command(self, service: str) -> list[str]:
        return [self.python(service), "-m", "services.container"]

    def start(self, service: str) -> subprocess.Popen[bytes]:
        image = "worker" if service.startswith("worker") else "web"
        with self.log(service).open("ab") as out:
            process = subprocess.Popen(
                [*self.command(service), *COMPOSE[service]["command"]],
                cwd=self.images[image] / "app",
                env=self.environment(service),
                stdout=out,
                stderr=out,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - the test has no threads
            )
        self.running.append(process)
        return process

    def healthy(self, service: str) -> bool:
        """By the check that stands in the compose file."""
        _, _, *arguments = COMPOSE[service]["healthcheck"]["test"]
        image = "worker" if service.startswith("worker") else "web"
        done = subprocess.run(
            [self.python(service), *arguments],
            cwd=self.images[image] / "app",
            env=self.environment(service),
            check=False,
            capture_output=True,
        )
        return done.returncode == 0

    def log(self, service: str) -> Path:
        return self.folder / f"{service}.log"

    def wait(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            logs = "\n".join(f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.folder.glob("*.log"))
            assert time.monotonic() < deadline, f"waited too long for {what}\n{logs}"
            time.sleep(0.5)

    def ask(self, path: str, key: str = "", body: bytes | None = None, port: int = 18750) -> bytes:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "video/mp4"}
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", body, headers), timeout=30) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build(name, tmp_path_factory.mktemp(name)) for name in MOST_MB}


@pytest.fixture
def database() -> Iterator[str]:
    """A fresh one where a PostgreSQL is named, and none where SQLite must do."""
    if POSTGRES not in os.environ:
        yield ""
        return
    name = f"images_{uuid4().hex}"
    with psycopg.connect(os.environ[POSTGRES], autocommit=True) as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        yield address_of(name)
        admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def address_of(name: str) -> str:
    address = urlsplit(os.environ[POSTGRES])
    return urlunsplit(address._replace(path=f"/{name}"))


@contextmanager
def started(folder: Path, images: Mapping[str, Path], database: str) -> Iterator[Containers]:
    (folder / "data").mkdir(mode=0o700)
    server = RedisServer.at(folder / "redis")
    containers = Containers(folder, images, server, database)
    redis = subprocess.Popen(server.command(), preexec_fn=end_with_parent, stdout=subprocess.DEVNULL)  # noqa: PLW1509
    try:
        server.wait(redis)
        yield containers
    finally:
        for process in reversed(containers.running):
            process.send_signal(signal.SIGTERM)
        for process in containers.running:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        redis.terminate()
        redis.wait()
        server.forget_socket()


@pytest.mark.parametrize("name", sorted(MOST_MB))
def test_an_image_is_as_small_as_we_say(images: dict[str, Path], name: str) -> None:
    size = BASE_MB + megabytes(images[name])
    print(f"{name}: {size:.0f} MB with its base")  # noqa: T201 - the figure of docs/operations.md
    assert size < MOST_MB[name]


def test_the_web_image_carries_no_models(images: dict[str, Path]) -> None:
    found = {path.name for path in images["web"].rglob("site-packages/*")}
    assert not {"numpy", "onnxruntime", "cv2", "av", "ctranslate2"} & found
    assert not (images["web"] / "app" / "shared" / "engines").exists()


def test_a_recording_goes_through_the_containers(images: dict[str, Path], tmp_path: Path, database: str) -> None:
    with started(tmp_path, images, database) as containers:
        containers.start("gateway")
        containers.wait("the gateway", lambda: containers.healthy("gateway"))
        shown = re.search(r"ut_\w+_[\w-]+", containers.log("gateway").read_text())
        assert shown, "the first start shows a key"
        services = ["results", "courier", "dispatcher", "worker-cpu"]
        for service in services:
            containers.start(service)
        sample = cut(tmp_path / "sample.mp4").read_bytes()
        job = json.loads(containers.ask("/v1/recordings", shown[0], sample))["id"]

        def ended() -> bool:
            return json.loads(containers.ask(f"/v1/jobs/{job}", shown[0]))["status"] in ("done", "failed")

        containers.wait("the job", ended)
        assert json.loads(containers.ask(f"/v1/jobs/{job}", shown[0]))["status"] == "done"
        assert b"undertone_gateway_requests_total" in containers.ask("/metrics", shown[0])
        containers.wait("results", lambda: containers.healthy("results"))
        transcript = json.loads(containers.ask(f"/v1/transcripts/{job}", shown[0], port=18751))
        said = [utterance["text"] for utterance in transcript["utterances"]]
        logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
        assert said and not any(text in logs for text in said)
        assert all(containers.healthy(service) for service in ("courier", "dispatcher", "worker-cpu"))
        for service in services:
            for line in containers.log(service).read_text().splitlines():
                assert line.startswith("{"), f"{service} writes past its log: {line}"
        assert all(process.poll() is None for process in containers.running)


def test_the_command_line_of_an_image_makes_keys(images: dict[str, Path], tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'undertone.db'}").close()
    containers = Containers(tmp_path, images, RedisServer.at(tmp_path / "redis"))
    made = subprocess.run(
        [*containers.command("gateway"), "keys", "create", "--scope", "transcripts:read"],
        cwd=images["web"] / "app",
        env=containers.environment("gateway"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert made.stdout.startswith("ut_")

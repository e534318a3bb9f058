"""The service on two backends: SQLite with a folder, and PostgreSQL with an S3 server; every process may be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from shared.infra.secret_encryption import new_key
from tests.chaos.load import ADDRESS
from tests.chaos.proxy import Proxy
from tests.running_service import ROOT, serve_command

TIMEOUT_SECONDS = 90.0
DATA_MB = 256
S3_PORT, PROXY_PORT = 9123, 9124
DATABASE_USER = "nobody"  # PostgreSQL refuses to run as root


def wait_for(what: str, true: Callable[[], object], timeout: float = TIMEOUT_SECONDS) -> None:
    until = time.monotonic() + timeout
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(0.1)


class Backend:
    """`undertone serve` with its data on a small file system of its own; SQLite and the blobs are there too."""

    name = "SQLite and folder"

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o711)  # the database server runs as another user
        self.folder = folder
        self.data, self.clock = folder / "data", folder / "clock"
        self.data.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={DATA_MB}m,mode=700", "tmpfs", self.data)
        blobs = self.data / "blobs"
        blobs.mkdir()
        _mount("--bind", blobs, blobs)  # can become read-only alone
        self.clock.write_bytes(bytes(8))
        self.environment = {
            **os.environ,
            "SECRETS__KEYS": new_key(),
            "GATEWAY__REQUESTS_PER_MINUTE": "1000000",
            "STORAGE__RESERVE_MB": "16",
            "WORKER__LEASE_SECONDS": "6",
            "QUEUE__SWEEP_SECONDS": "1",
            "ENGINES__MODELS_DIR": str(folder / "models"),
            "LD_PRELOAD": str(_clock_library(folder)),
            "UNDERTONE_CHAOS_CLOCK": str(self.clock),
        }
        self.service: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = serve_command(self.data, 8000, "--workers", "2")
        with (self.folder / "serve.log").open("ab") as out:
            self.service = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=out, stderr=out)
        wait_for("the service", self.ready)

    def ready(self) -> bool:
        try:
            return httpx.get(f"{ADDRESS}/readyz", timeout=5).is_success
        except httpx.TransportError:
            return False

    def processes(self, name: str) -> list[int]:
        """The running children of the supervisor with this word in their command."""
        assert self.service is not None
        children = Path(f"/proc/{self.service.pid}/task/{self.service.pid}/children").read_text().split()
        return [int(child) for child in children if name.encode() in Path("/proc", child, "cmdline").read_bytes()]

    def kill_everything(self) -> None:
        assert self.service is not None
        for process in (*self.processes(""), self.service.pid):
            os.kill(process, signal.SIGKILL)
        self.service.wait()

    def stop(self) -> None:
        assert self.service is not None
        self.service.terminate()
        self.service.wait(TIMEOUT_SECONDS)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", "--recursive", self.data], check=True)


class PostgresAndS3(Backend):
    name = "PostgreSQL and S3"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.database_folder = folder / "postgres"
        self.database_folder.mkdir()
        shutil.chown(self.database_folder, DATABASE_USER)
        cluster = ("-D", str(self.database_folder / "data"), "-U", "undertone", "--auth", "trust")
        self._run_postgres("initdb", *cluster, "--encoding", "UTF8", "--locale", "C", stdout=subprocess.DEVNULL).wait()
        self.start_database()
        if self._run_postgres("createdb", "-h", str(self.database_folder), "-U", "undertone", "undertone").wait():
            raise RuntimeError("createdb failed")
        with (folder / "s3.log").open("wb") as out:
            self._objects = subprocess.Popen([_s3_server(), "-p", str(S3_PORT)], stdout=out, stderr=out)
        bucket = f"http://127.0.0.1:{S3_PORT}/undertone"
        wait_for("the S3 server", lambda: _answers(lambda: httpx.put(bucket, timeout=10).raise_for_status()))
        self.proxy = Proxy(PROXY_PORT, S3_PORT)
        self.database_url = f"postgresql://undertone@/undertone?host={self.database_folder}"
        self.environment |= {
            "DATABASE__URL": self.database_url,
            "STORAGE__BUCKET": "undertone",
            "STORAGE__ENDPOINT": f"http://127.0.0.1:{PROXY_PORT}",
            "STORAGE__ACCESS_KEY": "key",
            "STORAGE__SECRET_KEY": "secret",
        }

    def start_database(self) -> None:
        options = ("-k", str(self.database_folder), "-c", "listen_addresses=", "-c", "fsync=off")
        with (self.folder / "postgres.log").open("ab") as out:
            self.database = self._run_postgres(
                "postgres", "-D", str(self.database_folder / "data"), *options, stdout=out, stderr=out
            )
        ready = ("pg_isready", "-q", "-h", str(self.database_folder))
        wait_for("PostgreSQL", lambda: self._run_postgres(*ready).wait() == 0)

    def _run_postgres(self, program: str, *arguments: str, **more: object) -> subprocess.Popen[bytes]:
        path = max(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        return subprocess.Popen([path, *arguments], user=DATABASE_USER, cwd="/", **more)  # type: ignore[call-overload, no-any-return]

    def close(self) -> None:
        self.database.send_signal(signal.SIGQUIT)
        self._objects.kill()
        for process in (self.database, self._objects):
            process.wait()
        super().close()


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def _clock_library(folder: Path) -> Path:
    library = folder / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, Path(__file__).with_name("clock.c")], check=True)
    return library


def _s3_server() -> str:
    found = shutil.which("moto_server", path=f"{sys.prefix}/s3/bin{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise SystemExit("moto_server is missing; `make chaos` installs it.")
    return found


def _answers(request: Callable[[], object]) -> bool:
    try:
        request()
    except httpx.HTTPError:
        return False
    return True

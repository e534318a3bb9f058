"""`undertone serve`: runs the whole service on this machine, as child processes on one port with one data folder."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Annotated

import httpx
import typer
from rich.console import Console

from services.cli.first_recording import annotate_over_http
from services.cli.supervisor import ChildProcess, Supervisor
from services.cli.terminal import print_transcript
from shared.domain.error import InvalidSetting, StateConflict, UndertoneError
from shared.domain.stage_plan import QUEUES
from shared.infra.logging_setup import configure_logging
from shared.infra.queue_settings import RedisSettings
from shared.infra.redis_server import RedisServer
from shared.infra.secret_encryption import SecretSettings, new_key
from shared.infra.settings import LogSettings, StorageSettings

LOOPBACK = ("127.0.0.1", "::1", "localhost")
WORKER_GRACE = 20.0


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Listen address, data folder and number of workers."""

    data: Path
    host: str
    port: int
    workers: int

    @property
    def loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def address(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def environment(self, redis_url: str) -> dict[str, str]:
        """The environment of every child process; the operator's variables take precedence over defaults."""
        cores = len(os.sched_getaffinity(0))
        fixed = {
            "STORAGE__FOLDER": str(self.data),
            "REDIS__URL": redis_url,
            "GATEWAY__HOST": self.host,
            "GATEWAY__PORT": str(self.port),
        }
        defaults = {
            "SECRETS__KEYS": secret_key(self.data),
            "PUBLIC__URL": self.address,
            # The only user of a loopback address is local.
            "GATEWAY__KEYLESS": "true" if self.loopback else "false",
            "WORKER__QUEUES": ",".join(QUEUES),
            "WORKER__SCRATCH": str(self.data / "scratch"),
            "WORKER__SHUTDOWN_SECONDS": "2",  # short, because Ctrl-C waits for it; the stage is requeued
            "ENGINES__THREADS": str(max(1, cores // self.workers)),
        }
        return {**{name: os.environ.get(name) or value for name, value in defaults.items()}, **fixed}

    def child_processes(self) -> Iterator[ChildProcess]:
        module = (sys.executable, "-m")
        yield ChildProcess("web", (*module, "services.cli.web"), ready=partial(listens, self.host, self.port))
        yield ChildProcess("courier", (*module, "services.courier", *(["--loopback"] if self.loopback else [])))
        yield ChildProcess("dispatch", (*module, "services.dispatcher"))
        for number in range(self.workers):
            yield ChildProcess(f"worker-{number + 1}", (*module, "services.worker"), grace_seconds=WORKER_GRACE)


def serve(
    data: Annotated[Path | None, typer.Option(help="Folder for all data.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond loopback, requests need a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Stages that run concurrently.")] = None,
    first: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Annotate this recording after the start and print its transcript."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the log here, not in files.")] = False,
) -> None:
    """Run the service on this machine until Ctrl-C."""
    os.environ.setdefault("LOG__FORMAT", "text")  # also for child processes; a machine with log collection sets json
    configure_logging(LogSettings())
    folder = (data or StorageSettings().folder).expanduser().resolve()
    config = ServeConfig(folder, host, port, workers or max(1, min(4, len(os.sched_getaffinity(0)) // 2)))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    logs = None if verbose else folder / "logs"
    if logs is not None:
        logs.mkdir(exist_ok=True, mode=0o700)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, lambda *_: stop.set())
    with exclusive_lock(folder), running(config, logs, stop) as supervisor:
        console = Console(stderr=True)
        console.print(f"Undertone serves at [bold]{config.address}[/bold]; its data is in {folder}. Ctrl-C stops it.")
        if first is not None:
            Thread(target=_show_first, args=(config.address, first, stop), daemon=True).start()
        supervisor.watch(stop)


def _show_first(address: str, recording: Path, stop: Event) -> None:
    """Annotate a first recording in a thread; the service continues if this fails."""
    console = Console(stderr=True)
    console.print(f"Annotating {recording.name} over HTTP …", style="dim")
    try:
        transcript = annotate_over_http(address, recording, stop)
    except (httpx.HTTPError, UndertoneError) as error:
        console.print(f"{recording.name} could not be annotated: {error}", style="red", highlight=False)
        return
    if transcript is not None:
        print_transcript(transcript, Console())
        console.print(
            f"The service continues at [bold]{address}[/bold] until Ctrl-C; {address}/openapi.json describes it."
        )


@contextmanager
def running(config: ServeConfig, logs: Path | None, stop: Event) -> Iterator[Supervisor]:
    """Start every program, and stop all of them when the block ends."""
    if listens(config.host, config.port):
        raise InvalidSetting(f"Port {config.port} is already in use.", hint="Choose another port with --port.")
    with ExitStack() as after:
        url = RedisSettings().url.get_secret_value()
        server = None if url else RedisServer.at(config.data / "redis")
        if server is not None:
            after.callback(server.remove_socket_folder)
        supervisor = Supervisor(config.environment(server.url if server else url), logs)
        after.callback(supervisor.stop)
        if server is not None:
            supervisor.start(ChildProcess("redis", server.command(), ready=server.is_ready))
        for program in config.child_processes():
            if stop.is_set():
                break
            supervisor.start(program)
        yield supervisor


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock the data folder: a second service would sweep the work of the first."""
    lock = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateConflict(
                f"Another `undertone serve` uses {folder}.", hint="Stop it, or choose another folder with --data."
            ) from None
        yield
    finally:
        os.close(lock)


def secret_key(folder: Path) -> str:
    """The key that encrypts secrets in this folder's database; created with the folder."""
    if configured := SecretSettings().keys.get_secret_value():
        return configured
    path = folder / "secret.key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(new_key())
        file.flush()
        os.fsync(file.fileno())
    return path.read_text().strip()


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False

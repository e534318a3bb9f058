"""`undertone serve` with two tenants: one attacks while a probe measures the response times of the other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import httpx

from shared.domain.job_blobs import recording_key, transcript_key
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.domain.work import PlannedStage
from shared.exports.document import render_json
from shared.infra.database.engine import open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from shared.infra.key_verifier import make_key
from tests.exports.sample import transcript
from tests.gateway.serving import WAV
from tests.running_service import ROOT, serve_command
from tests.served import free_port
from tests.service_fakes import held, new_job
from tests.stores import Stores

# A stage whose queue no worker reads, so that the test can end it itself.
UNREAD = (PlannedStage(name="publish", queue="unread"),)
ATTACKER, VICTIM = "theirs", "ours"
PROBE_SECONDS = 0.1
LIMIT_SECONDS = 1.0
ATTEMPTS = 3
START_SECONDS = 120.0
SECRET_WORD = "wombat77zyx"  # noqa: S105 - no password


@dataclass
class Probe:
    """The duration in seconds of each request of the victim, and the statuses.

    After each, a request to another program on this machine is measured: other work, and the attack itself, whose
    client is this process, delay that one as well.
    """

    seconds: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    @property
    def worst(self) -> float:
        """The longest delay that the service is responsible for."""
        return max(self.seconds) - max(self.control)


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    stores: Stores
    port: int
    keys: dict[str, str]
    control: str  # the address of another program
    victim_job: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, tenant: str = ATTACKER) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.keys[tenant]}"}, timeout=90)

    def publish(self, made: Transcript, tenant: str = ATTACKER) -> str:
        """A finished job with this transcript and a recording."""
        with closing(open_database(self.stores.database_url)) as database:
            job_id = SqlJobStore(database).add(tenant, new_job(UNREAD)).id
            made = made.model_copy(update={"job_id": job_id})
            blobs, work = self.stores.blobs(database), SqlWorkStore(database)
            blobs.put(tenant, transcript_key(job_id), [render_json(made, emotion=True)])
            blobs.put(tenant, recording_key(job_id), [WAV])
            SqlTranscriptIndex(database).index_transcript(tenant, made)
            work.publish(held(work, job_id, "publish"), seconds=1)
        return job_id

    @contextmanager
    def probing(self) -> Iterator[Probe]:
        probe, stop = Probe(), threading.Event()

        def ask() -> None:
            with self.client(VICTIM) as client:
                while not stop.wait(PROBE_SECONDS):
                    began = time.monotonic()
                    try:
                        status = client.get(f"/v1/jobs/{self.victim_job}").status_code
                    except httpx.HTTPError:
                        status = 0
                    answered = time.monotonic()
                    httpx.get(self.control)
                    probe.control.append(time.monotonic() - answered)
                    probe.seconds.append(answered - began)
                    probe.statuses.add(status)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            time.sleep(2 * PROBE_SECONDS)
            yield probe
        finally:
            time.sleep(2 * PROBE_SECONDS)
            stop.set()
            thread.join()

    def raw(self, sent: bytes, *, seconds: float = 2.0) -> bytes:
        """Everything that the server sends until it closes the connection, or sends nothing for this many seconds."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as line:
            try:
                line.sendall(sent)
                while block := line.recv(1 << 16):
                    received += block
            except OSError:
                pass
        return received

    def log(self) -> str:
        return "".join(path.read_text() for path in self.stores.folder.glob("logs/*.log"))


@contextmanager
def serving(stores: Stores, **settings: str) -> Iterator[Served]:
    stores.folder.mkdir(mode=0o700, exist_ok=True)
    keys = {}
    with closing(open_database(stores.database_url)) as database:
        store = SqlKeyStore(database)
        for tenant in (ATTACKER, VICTIM):
            store.ensure_tenant(tenant)
            keys[tenant], key = make_key(tenant, set(Scope) - {Scope.ADMIN}, database.now)
            store.add(key)
    port, control_port = free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if "__" not in name} | stores.environment
    environment |= {
        "GATEWAY__KEYLESS": "false",
        "GATEWAY__REQUESTS_PER_MINUTE": "1000000",
        "STORAGE__RESERVE_MB": "0",
        "QUEUE__SWEEP_SECONDS": "0.5",
        "LOG__LEVEL": "debug",
        "ENGINES__MODELS_DIR": str(stores.folder / "models"),
        **settings,
    }
    process = subprocess.Popen(serve_command(stores.folder, port), cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    command = [sys.executable, "-m", "http.server", str(control_port), "--bind", "127.0.0.1", "-d", "/var/empty"]
    control = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    served = Served(process, stores, port, keys, f"http://127.0.0.1:{control_port}")
    try:
        wait_until_ready(f"{served.url}/readyz", httpx.codes.OK, served)
        wait_until_ready(served.control, httpx.codes.NOT_FOUND, served)
        served.victim_job = served.publish(transcript().model_copy(update={"warnings": (SECRET_WORD,)}), VICTIM)
        yield served
        assert process.poll() is None, "the service has ended"
    finally:
        control.kill()
        control.wait()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()
            process.wait()


def wait_until_ready(url: str, status: int, served: Served) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(url).status_code == status:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, served.log()[-5000:]
        time.sleep(0.2)

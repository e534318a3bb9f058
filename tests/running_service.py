"""Runs a real service for tests: Redis, dispatcher and workers as processes, SQLite, and jobs added to the stores."""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import av
import numpy as np

from shared.domain.job import Job, JobOptions, Source
from shared.domain.job_blobs import recording_key, transcript_key
from shared.domain.job_record import JobRecord, NewJob
from shared.domain.stage_plan import plan_stages
from shared.domain.transcript import Transcript
from shared.infra.artifacts_blobs import blocks_of
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.child_process import start_child
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.redis_server import RedisServer
from tests.local_redis import start_redis

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "standup.mp4"
TENANT = "ours"
ENGINES = {"asr": "pocketsphinx", "faces": "cascade"}  # engines that need no fetched weights
TIMEOUT_SECONDS = 120.0


def serve_command(data: Path, port: int, *more: str) -> list[str]:
    """The command that runs `undertone serve` with the current Python."""
    return [sys.executable, "-m", "services.cli", "serve", "--data", str(data), "--port", str(port), *more]


def cut(target: Path, seconds: float = 6.0, source: Path = SAMPLE) -> Path:
    """Copies the packets of the first seconds of a recording to a new file."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        streams = {stream.index: part.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.pts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = streams[packet.stream.index]
                part.mux(packet)
    return target


def spread(target: Path, starts: Sequence[float], length: float) -> Path:
    """Writes a long recording that contains only the sample's first sentence, at these times."""
    rate = 16_000
    with av.open(str(SAMPLE)) as whole:
        resampler = av.AudioResampler("s16", "mono", rate)
        pieces = (piece.to_ndarray()[0] for frame in whole.decode(audio=0) for piece in resampler.resample(frame))
        sentence = np.concatenate(list(itertools.islice(pieces, 200)))[: 4 * rate]
    samples = np.zeros(round(length * rate), dtype="<i2")
    for start in starts:
        samples[round(start * rate) :][: len(sentence)] = sentence
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return target


@dataclass
class Service:
    folder: Path
    lease: float = 4.0
    settings: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.redis = RedisServer.at(self.folder / "redis")
        self.database: Database = open_database(f"sqlite:///{self.folder / 'undertone.db'}")
        self.blobs = FolderBlobs(self.folder / "blobs")
        self.jobs = SqlJobStore(self.database)
        SqlKeyStore(self.database).ensure_tenant(TENANT)

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "STORAGE__FOLDER": str(self.folder),
            "STORAGE__RESERVE_MB": "0",
            "REDIS__URL": self.redis.url,
            "WORKER__SCRATCH": str(self.scratch),
            "WORKER__LEASE_SECONDS": str(self.lease),
            "QUEUE__SWEEP_SECONDS": "0.5",
            "WORKER__POLL_SECONDS": "0.3",
            "WORKER__SHUTDOWN_SECONDS": "0.5",
            "ENGINES__THREADS": "1",
            "ENGINES__MODELS_DIR": str(self.folder / "models"),
            **self.settings,
        }

    def start(self, name: str, *module: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as out:
            process = start_child(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env=self.environment(),
                stdout=out,
                stderr=out,
            )
        self.processes[name] = process
        return process

    def start_redis(self) -> None:
        self.processes["redis"] = start_redis(self.redis)

    def start_dispatcher(self) -> None:
        self.start("dispatch", "services.dispatcher")

    def start_worker(self, name: str = "worker") -> subprocess.Popen[bytes]:
        return self.start(name, "services.worker")

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def kill_all(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def end(self, name: str, timeout: float = 30.0) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout)

    def submit(self, recording: Path, options: JobOptions | None = None, tenant: str = TENANT) -> str:
        content = recording.read_bytes()
        job = Job(
            id=uuid4().hex,
            recording=Source(name=recording.name, sha256=hashlib.sha256(content).hexdigest()),
            options=options or JobOptions(engines=ENGINES),
        )
        self.blobs.put(tenant, recording_key(job.id), blocks_of(recording))
        self.jobs.add(tenant, NewJob(job=job, stages=plan_stages(job)))
        return job.id

    def record(self, job_id: str) -> JobRecord:
        found = self.jobs.find(TENANT, job_id)
        assert found is not None
        return found

    def attempts(self, job_id: str) -> dict[str, int]:
        return {stage.name: stage.attempts for stage in self.record(job_id).stages}

    def wait_for(self, what: str, true: object, timeout: float = TIMEOUT_SECONDS) -> None:
        """Calls `true` until it returns true."""
        assert callable(true)
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, f"waited too long for {what}\n{self.logs()}"
            time.sleep(0.02)

    def wait_ended(self, job_id: str, timeout: float = TIMEOUT_SECONDS) -> JobRecord:
        self.wait_for("the job's end", lambda: not self.record(job_id).status.active, timeout)
        return self.record(job_id)

    def transcript(self, job_id: str) -> Transcript:
        return Transcript.model_validate_json(b"".join(self.blobs.read(TENANT, transcript_key(job_id))))

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-6000:]}" for path in sorted(self.folder.glob("*.log")))


@contextmanager
def serving(folder: Path, *, workers: int = 1, **changes: object) -> Iterator[Service]:
    service = Service(folder, **changes)  # type: ignore[arg-type]
    with ExitStack() as after:
        after.callback(service.database.close)
        after.callback(service.redis.remove_socket_folder)
        after.callback(service.kill_all)
        service.start_redis()
        service.start_dispatcher()
        for number in range(workers):
            service.start_worker(f"worker-{number}")
        yield service

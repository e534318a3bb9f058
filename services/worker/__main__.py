"""`python -m services.worker`: run a worker until SIGTERM."""

from __future__ import annotations

import sys
from uuid import uuid4

from services.worker.app import make_app
from services.worker.library_output import redirect_library_output
from services.worker.settings import WorkerSettings
from services.worker.shutdown import ShutdownLimit
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.startup import run_service
from shared.infra.telemetry import TelemetrySettings, make_tracer


def main() -> int:
    settings = WorkerSettings()
    make_tracer(
        TelemetrySettings(), "worker"
    ).close()  # fails now if tracing is unavailable; each process makes its own tracer
    app = make_app(settings, QueueSettings(), RedisSettings())
    redirect_library_output()
    ShutdownLimit(settings.shutdown_seconds).install()
    name = f"worker-{uuid4().hex[:8]}@%h"
    app.worker_main(
        [
            "--quiet",
            "worker",
            "-n",
            name,
            "-Q",
            ",".join(settings.queues),
            "-l",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",  # otherwise an unused event every two seconds
        ]
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_service(main))

"""`python -m services.worker`: run a worker until SIGTERM."""

from __future__ import annotations

import sys
from uuid import uuid4

from celery import signals

from services.worker.app import make_app
from services.worker.settings import WorkerSettings
from services.worker.shutdown import ShutdownLimit
from shared.domain.error import UndertoneError
from shared.infra.log_lines import write_log
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.settings import LogSettings
from shared.infra.telemetry import TelemetrySettings, tracer_of


def main() -> int:
    settings = WorkerSettings()
    try:
        tracer_of(TelemetrySettings(), "worker").close()  # whether it can be had; each process has its own
        app = make_app(settings, QueueSettings(), RedisSettings())
    except UndertoneError as error:
        sys.stderr.write(f"[{error.code}] {error.message}\n" + (f"  → {error.mend}\n" if error.mend else ""))
        return error.exit_status
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
        ]
    )
    return 0


if __name__ == "__main__":
    write_log(LogSettings())
    # Whoever listens here has the log to himself: otherwise Celery would write its own, with exceptions' words.
    signals.setup_logging.connect(lambda **_: write_log(LogSettings()), weak=False)
    sys.exit(main())

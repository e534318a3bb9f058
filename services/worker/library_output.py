"""Controls output of libraries outside the log: Celery's lines get the log's format, native libraries are silenced."""

from __future__ import annotations

import os
from contextlib import suppress
from types import MappingProxyType

import celery.apps.worker
from celery import signals

from shared.infra.logging_setup import configure_logging
from shared.infra.settings import LogSettings
from shared.infra.startup import format_line, log_format

# These libraries report an error to Python as well, so no error is lost. ONNX Runtime has no variable (runtime.py).
SILENT = MappingProxyType(
    {
        "OPENCV_LOG_LEVEL": "SILENT",
        "CT2_VERBOSE": "-3",  # CTranslate2; its lowest level is -3, which is off
        "TOKENIZERS_PARALLELISM": "true",  # the default too, but without a warning at each fork
    }
)


def redirect_library_output() -> None:
    """Call it before an engine is loaded; variables that the operator has set are kept."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)
    celery.apps.worker.safe_say = _log_message
    # With a receiver of this signal Celery writes no log of its own, which would contain exception texts.
    signals.setup_logging.connect(_set_up_log, weak=False)


def _set_up_log(**_: object) -> None:
    configure_logging(LogSettings())


def _log_message(message: object, _stream: object = None) -> None:
    """Called by Celery in signal handlers: one system call, without the log's lock."""
    text = str(message)
    line = format_line("worker.celery", f"{text}\n", log_format(), text=text)
    with suppress(OSError):  # a closed log does not stop the shutdown that Celery is about to begin
        os.write(1, line.encode())

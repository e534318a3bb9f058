"""Runs a service's main function: configures its log, and logs errors that end the process in the log's format."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

import structlog
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from shared.domain.error import InvalidSetting, UndertoneError
from shared.infra.logging_setup import configure_logging
from shared.infra.settings import LogSettings

log = structlog.get_logger()

LogFormat = Literal["json", "text"]


def run_service(main: Callable[[], int]) -> int:
    """Runs `main` and returns its exit status; logs Undertone errors and invalid settings."""
    try:
        settings = LogSettings()
        configure_logging(settings)
        _log_uncaught(settings.format)
        return main()
    except (ValidationError, SettingsError) as error:
        return report_error(setting_error(error), log_format())
    except UndertoneError as error:
        return report_error(error, log_format())


def log_format() -> LogFormat:
    """Returns the log format even if the other log settings are invalid."""
    return "text" if os.environ.get("LOG__FORMAT") == "text" else "json"


def report_error(error: UndertoneError, form: LogFormat) -> int:
    """Logs the error that ends the program, and returns its exit status."""
    more = {"hint": error.hint} if error.hint else {}
    text = f"[{error.code}] {error.message}\n" + (f"  → {error.hint}\n" if error.hint else "")
    write_line("service.failed", text, form, level="error", code=error.code, message=error.message, **more)
    return error.exit_status


def write_line(event: str, text: str, form: LogFormat, /, *, level: str = "info", **fields: str) -> None:
    """Writes a line to standard error, regardless of the log level."""
    stream = sys.__stderr__ if isinstance(sys.stderr, JsonLines) else sys.stderr
    if stream is not None:
        stream.write(format_line(event, text, form, level=level, **fields))
        stream.flush()


def format_line(event: str, text: str, form: LogFormat, /, *, level: str = "info", **fields: str) -> str:
    """Formats an event as a JSON object with these fields, or as the text."""
    if form == "text":
        return text
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({**fields, "event": event, "level": level, "timestamp": now}, ensure_ascii=False) + "\n"


def setting_error(error: ValidationError | SettingsError) -> InvalidSetting:
    """Names the invalid variables and the reasons without their values; re-raises other validation errors."""
    if isinstance(error, SettingsError):  # its text names the field, but not the value
        return InvalidSetting(f"A setting cannot be read: {error}.")
    owner = next((cls for cls in BaseSettings.__subclasses__() if cls.__name__ == error.title), None)
    if owner is None:
        raise error
    prefix = owner.model_config.get("env_prefix", "")
    found = [
        f"{prefix}{'__'.join(map(str, one['loc'])).upper()}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return InvalidSetting(f"A setting is invalid. {'; '.join(found)}.", hint=".env.example describes every setting.")


class JsonLines(io.TextIOBase):
    """Replacement for standard error that logs each line a library prints as a JSON object."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._write(line)
        return len(text)


def _log_uncaught(form: LogFormat) -> None:
    """Logs the type and location of uncaught exceptions, but not their text."""

    def log_exception(
        event: str, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        log.critical(event, exc_info=(kind, error, trace))

    sys.excepthook = lambda kind, error, trace: log_exception("process.broke", kind, error, trace)
    threading.excepthook = lambda args: log_exception("thread.broke", args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: log_exception("cleanup.broke", args.exc_type, args.exc_value, args.exc_traceback)
    if form == "json":
        lines = JsonLines(lambda line: log.error("process.wrote", stream="stderr", text=line))
        sys.stderr = lines

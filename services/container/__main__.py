"""`python -m services.container SERVICE`: become it; besides, `secrets [print]` and `compile …`."""

from __future__ import annotations

import os
import runpy
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from services.container.environment import environment
from services.container.health import BEAT_FILE, BEAT_VARIABLE
from shared.domain.error import UndertoneError

MODULES = {
    "gateway": "services.gateway",
    "results": "services.results",
    "courier": "services.courier",
    "dispatcher": "services.worker.dispatch",
    "worker": "services.worker",
    "keys": "services.cli.keys",
    "models": "services.cli.models",
}
# Imported when a service is at work already: an image that lacks one of them is not to be built.
LATE = (
    "alembic.command",
    "shared.infra.blobs_object",
    "kombu.transport.redis",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "services.container.first_key",
    "services.container.secret_files",
)
COMMANDS = ("keys", "models")  # in each module a command of the same name


def main(arguments: list[str]) -> int:
    match arguments:
        case ["secrets", *rest] if rest in ([], ["print"]):
            _secrets(shown=bool(rest))
        case ["compile", *services]:
            for service in services:
                compile_modules(service)
        case [service, *rest] if service in MODULES:
            become(service, rest)
        case _:
            sys.stderr.write(f"{__doc__}\nThe services are {', '.join(MODULES)}.\n")
            return 2
    return 0


def _secrets(*, shown: bool) -> None:
    from services.container.secret_files import keep_secrets, kept_secrets  # noqa: PLC0415 - services need no ciphers

    if shown:
        for name, value in kept_secrets().items():
            print(f"{name}={value}")  # noqa: T201 - this is what was asked for
    else:
        made = ", ".join(keep_secrets(os.environ)) or "none"
        print(f"Secrets are in place; made now: {made}.")  # noqa: T201


def become(service: str, arguments: list[str]) -> None:
    """In this process, which is the one that gets the container's SIGTERM."""
    os.environ.update(environment(os.environ))
    sys.argv = [service, *arguments]
    if service in COMMANDS:
        getattr(import_module(MODULES[service]), service)(prog_name=f"undertone {service}")
        return
    # The log's library loads `rich` if it is there: 6 MB and 0.1 s for tracebacks that no service writes.
    sys.modules["rich"] = None  # type: ignore[assignment]
    # A file from before a restart says nothing about this process.
    Path(os.environ.setdefault(BEAT_VARIABLE, BEAT_FILE)).unlink(missing_ok=True)
    if service == "gateway":
        import_module("services.gateway.assemble")  # while PostgreSQL starts, which the first key waits for
        _let_in()
    runpy.run_module(MODULES[service], run_name="__main__", alter_sys=True)


def compile_modules(service: str) -> None:
    """While an image is built: what is imported now lies there compiled, and the rest takes no room."""
    name = MODULES[service]
    package = find_spec(name)
    if package is not None and package.submodule_search_locations is not None:
        name += ".__main__"
    import_module(name)
    for needed in LATE:
        import_module(needed)
    if find_spec("opentelemetry") and find_spec("opentelemetry.sdk"):  # an image that was asked to carry it
        import_module("shared.infra.telemetry_otlp")


def _let_in() -> None:
    from services.container.first_key import first_key  # noqa: PLC0415 - only a gateway opens the database here

    if text := first_key(Path(os.environ["STORAGE__FOLDER"])):
        sys.stderr.write(
            "\n  The first start: this key may do everything. It is shown this once.\n\n"
            f"      {text}\n\n"
            "  Make others with `docker compose exec gateway undertone keys create`, then revoke this one.\n\n"
        )


if __name__ == "__main__":
    try:
        status = main(sys.argv[1:])
    except UndertoneError as error:
        sys.stderr.write(f"[{error.code}] {error.message}\n" + (f"  → {error.mend}\n" if error.mend else ""))
        status = error.exit_status
    sys.exit(status)

"""`python -m services.container SERVICE` runs SERVICE in this process; also `secrets [print]` and `compile …`."""

from __future__ import annotations

import os
import runpy
import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from services.container.environment import environment
from services.container.health import HEARTBEAT_FILE, HEARTBEAT_FILE_VARIABLE
from shared.domain.error import InvalidRequest

MODULES = {
    "gateway": "services.gateway",
    "results": "services.results",
    "courier": "services.courier",
    "dispatcher": "services.dispatcher",
    "worker": "services.worker",
    "keys": "services.cli.keys",
    "models": "services.cli.models",
}
# Modules that services import lazily at runtime: the build of an image without one of them must fail.
LAZY_IMPORTS = (
    "alembic.command",
    "shared.infra.blobs_object",
    "kombu.transport.redis",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "services.container.secret_files",
)
# The web image has no engines; these commands run in containers whose image has them.
ENGINE_COMMANDS = {
    "models": "docker compose run --rm models list",
    "worker": "docker compose up -d worker-cpu",
}
ARGUMENTS = {"gateway": ("--first-key",)}  # an operator has no other way to get the first key
COMMANDS = ("keys", "models")  # each module has a command of the same name
INTERACTIVE_COMMANDS = (*COMMANDS, "compile")  # their output is read by a person


def main(arguments: list[str]) -> int:
    match arguments:
        case ["secrets", *rest] if rest in ([], ["print"]):
            _secrets(shown=bool(rest))
        case ["compile", *services]:
            for service in services:
                compile_modules(service)
        case [service, *rest] if service in MODULES:
            exec_service(service, rest)
        case _:
            raise InvalidRequest(f"Unknown command; the services are {', '.join(MODULES)}.", hint=__doc__)
    return 0


def _secrets(*, shown: bool) -> None:
    # Imported late: services need no ciphers, and the log must be imported after `rich` is blocked.
    from services.container.secret_files import store_secrets, stored_secrets  # noqa: PLC0415
    from shared.infra.startup import format_line, log_format  # noqa: PLC0415

    if shown:
        for name, value in stored_secrets().items():
            print(f"{name}={value}")  # noqa: T201 - `print` was requested
    else:
        created = ", ".join(store_secrets(os.environ)) or "none"
        text = f"Secrets are ready; created now: {created}.\n"
        sys.stdout.write(format_line("secrets.in_place", text, log_format(), made=created))


def exec_service(service: str, arguments: list[str]) -> None:
    """Run the service in this process, which receives the container's SIGTERM."""
    if service in ENGINE_COMMANDS and find_spec("shared.engines") is None:
        raise InvalidRequest(
            f"`{service}` does not run in this container: its image has no engines.", hint=ENGINE_COMMANDS[service]
        )
    os.environ.update(environment(os.environ))
    sys.argv = [service, *ARGUMENTS.get(service, ()), *arguments]
    if service in COMMANDS:
        getattr(import_module(MODULES[service]), service)(prog_name=f"undertone {service}")
        return
    # A file from before a restart does not describe this process.
    Path(os.environ.setdefault(HEARTBEAT_FILE_VARIABLE, HEARTBEAT_FILE)).unlink(missing_ok=True)
    runpy.run_module(MODULES[service], run_name="__main__", alter_sys=True)


def compile_modules(service: str) -> None:
    """Run during an image build: compiles the modules that the service imports; other modules stay uncompiled."""
    name = MODULES[service]
    package = find_spec(name)
    if package is not None and package.submodule_search_locations is not None:
        name += ".__main__"
    import_module(name)
    for needed in LAZY_IMPORTS:
        import_module(needed)
    if find_spec("opentelemetry") and find_spec("opentelemetry.sdk"):  # only in images built with telemetry
        import_module("shared.infra.telemetry_otlp")


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in INTERACTIVE_COMMANDS:
        os.environ["LOG__FORMAT"] = "text"
    else:
        # The log's library loads `rich` if it is installed: 6 MB and 0.1 s for tracebacks that no service writes.
        sys.modules["rich"] = None  # type: ignore[assignment]
    from shared.infra.startup import run_service

    sys.exit(run_service(partial(main, sys.argv[1:])))

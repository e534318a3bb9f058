"""`python -I -S services/container/health.py SERVICE` exits with 0 if the service in this container is healthy.

It imports only a small part of the standard library, because the container engine runs it every few seconds.
"""

from __future__ import annotations

import os
import socket
import sys
import time

HTTP_PORTS = {"gateway": "8000", "results": "8001"}
HEARTBEAT_SERVICES = (
    "courier",
    "dispatcher",
    "worker",
)  # they have no port: they touch a file after successful work
SERVICES = (*HTTP_PORTS, *HEARTBEAT_SERVICES)
HEARTBEAT_FILE_VARIABLE = "UNDERTONE_HEARTBEAT_FILE"
HEARTBEAT_FILE = "/tmp/healthy"  # noqa: S108 - a container has a private /tmp
MAX_HEARTBEAT_AGE = 60.0  # seconds; each service touches its file at least every 15 s
# Time for which the check waits for a service that does not listen yet. A service is then reported healthy as soon as
# it is ready, not at the next check.
START_GRACE_SECONDS = 20.0
TIMEOUT_SECONDS = 4.0  # seconds for a response
PAUSE = 0.1


class Unhealthy(Exception):
    """The text is written to the container engine's health check log."""


def address_of(service: str) -> tuple[str, int]:
    """The service's address; a host name selects one of several networks, and a wildcard address includes loopback."""
    host = os.environ.get(f"{service.upper()}__HOST", "127.0.0.1")
    port = os.environ.get(f"{service.upper()}__PORT", HTTP_PORTS[service])
    return "127.0.0.1" if host == "0.0.0.0" else host, int(port)  # noqa: S104 - it is compared, not bound


def check_http(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as response:
            status = response.read().partition(b"\r\n")[0].split()
    if status[1:2] != [b"200"]:
        raise Unhealthy(f"/readyz returned {b' '.join(status[1:]).decode('ascii', 'replace')}")


def check_heartbeat(path: str) -> None:
    age = time.time() - os.stat(path).st_mtime  # noqa: PTH116 - pathlib costs more than the whole check
    if age > MAX_HEARTBEAT_AGE:
        raise Unhealthy(f"the last success was {age:.0f} s ago")


def check(service: str, starting: float = START_GRACE_SECONDS) -> None:
    """Raise if the service is unhealthy; a service that does not listen or has not worked yet has time to start."""
    until = time.monotonic() + starting
    while True:
        try:
            if service in HTTP_PORTS:
                check_http(address_of(service))
            else:
                check_heartbeat(os.environ.get(HEARTBEAT_FILE_VARIABLE) or HEARTBEAT_FILE)
        except (ConnectionRefusedError, FileNotFoundError):
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE)
        else:
            return


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in SERVICES:
        sys.stderr.write(f"Name one of {', '.join(SERVICES)}.\n")
        return 2
    try:
        check(arguments[0])
    except (OSError, Unhealthy) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

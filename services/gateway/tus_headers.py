"""The headers of tus 1.0: versions, lengths, offsets and metadata."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from email.utils import format_datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.domain.error import InvalidRequest, UnsupportedProtocolVersion
from shared.infra.web.problems import error_response

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
PREFIX = "/v1/uploads"
CONTENT_TYPE = "application/offset+octet-stream"
MAX_METADATA = 4096
EXPOSED = (
    "Location",
    "Upload-Offset",
    "Upload-Length",
    "Upload-Expires",
    "Upload-Metadata",
    "Tus-Resumable",
    "Tus-Version",
    "Tus-Extension",
    "Tus-Max-Size",
    "Idempotency-Replayed",
)
_KEY = re.compile(r"[!-+\--~]{1,64}")


def number(headers: Headers, name: str) -> int:
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise BadHeader(f"The header {name} is missing or not a number.")
    return int(text)


def content_type_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip()


class BadHeader(InvalidRequest):
    """tus requires status 400 where our own API uses 422."""

    http_status = 400


def read_metadata(text: str) -> dict[str, str]:
    """Parse `key base64,key2 base64`; keys are unique, values may be empty."""
    metadata: dict[str, str] = {}
    if len(text) > MAX_METADATA:
        raise BadHeader(f"Upload-Metadata is longer than {MAX_METADATA} characters.")
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            decoded = base64.b64decode(value, validate=True).decode(errors="replace")
        except ValueError:  # also for characters beyond ASCII
            raise BadHeader("A value of Upload-Metadata is not base64.") from None
        if not _KEY.fullmatch(key) or key in metadata:
            raise BadHeader("A key of Upload-Metadata is empty, invalid or repeated.")
        metadata[key] = decoded
    return metadata


def http_date(at: datetime) -> str:
    return format_datetime(at, usegmt=True)


class TusProtocol:
    """Adds the version header to every response below /v1/uploads, and rejects requests of another version."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not (scope["path"] + "/").startswith(PREFIX + "/"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "POST" and "x-http-method-override" in headers:
            scope = {**scope, "method": headers["x-http-method-override"].upper()}

        async def versioned(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                response_headers["Tus-Resumable"] = VERSION
                if message["status"] == UnsupportedProtocolVersion.http_status:
                    response_headers["Tus-Version"] = VERSION
            await send(message)

        if scope["method"] != "OPTIONS" and headers.get("tus-resumable") != VERSION:
            error = UnsupportedProtocolVersion(
                f"Only tus {VERSION} is supported.", hint=f"Send `Tus-Resumable: {VERSION}`."
            )
            answer = error_response(error, scope["path"])
            answer.headers["Connection"] = "close"
            await answer(scope, receive, versioned)
            return
        await self._app(scope, receive, versioned)

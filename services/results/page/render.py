"""Renders the pages from templates, and serves their scripts and styles."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response, StreamingResponse

from shared.domain.error import UndertoneError

FOLDER = Path(__file__).parent
STATIC = "/page"
PART = 50_000  # characters of a long page that are sent together
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types undertone",  # static/api.js
    )
)
# `same-origin` and not `no-referrer`: browsers send the origin of a form only with it.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
mimetypes.add_type("text/javascript", ".js")  # some systems have another type or none


def clock(seconds: float) -> str:
    """`75.4` becomes `1:15`, and times from one hour on have hours."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def utc(at: datetime) -> str:
    """For readers without scripts; a script shows the local time."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


_TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update(clock=clock, utc=utc, percent=lambda share: f"{share:.0%}".replace("%", " %"))


def page(template: str, *, status: int = 200, **values: object) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(template).render(**values), status, HEADERS)


def streamed_page(template: str, **values: object) -> Response:
    """Sends a long page in parts while the rest is rendered."""
    chunks = _TEMPLATES.get_template(template).generate(**values)
    return StreamingResponse(_parts(chunks), headers=HEADERS, media_type="text/html")


def _parts(chunks: Iterable[str]) -> Iterator[str]:
    waiting: list[str] = []
    length = 0
    for chunk in chunks:
        waiting.append(chunk)
        length += len(chunk)
        if length >= PART:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


def error_page(error: UndertoneError) -> Response:
    """An internal error shows no message, as it could name a path."""
    message, hint = error.message, error.hint
    if error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR:
        message, hint = "An internal error occurred; the operator's log has the cause.", None
    elif error.http_status == HTTPStatus.NOT_FOUND:
        hint = "It was deleted, or it belongs to another tenant."
    return page("error.html", status=error.http_status, code=error.code, message=message, hint=hint)


def static_file(name: str) -> tuple[bytes, Mapping[str, str]]:
    content = (FOLDER / "static" / name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return content, {"Content-Type": f"{kind}; charset=utf-8", "ETag": etag, "Cache-Control": "public, no-cache"}


FILES = {f"{STATIC}/{path.name}": static_file(path.name) for path in sorted((FOLDER / "static").iterdir())}


def serve_file(request: Request) -> Response:
    content, headers = FILES[request.url.path]
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)

"""Content as HTTP hands it out: whole, in part, or not at all where the client has it already."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from services.results.file_name import disposition
from shared.domain.error import RangeNotSatisfiable
from shared.infra.web.problems import problem_response

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e]*")|\*')


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that can be read from and to anywhere; the tag changes exactly when they do."""

    size: int
    etag: str
    media_type: str
    name: str
    read: Callable[[int, int], Iterable[bytes]]
    inline: bool = False

    @classmethod
    def of(cls, whole: bytes, media_type: str, name: str, *, inline: bool = False) -> Content:
        return cls(len(whole), etag_of(whole), media_type, name, lambda start, end: (whole[start:end],), inline)


def etag_of(content: bytes) -> str:
    return tag(hashlib.sha256(content).hexdigest())


def tag(sha256: str) -> str:
    """Strong: half of the hash is more than anybody can make collide."""
    return f'"{sha256[:32]}"'


def unchanged(request: Request, content: Content) -> bool:
    """Whether the client has these very bytes already."""
    known = request.headers.get("if-none-match")
    return known is not None and matches(known, content.etag, weakly=True)


def matches(header: str, *tags: str, weakly: bool = False) -> bool:
    """Whether one of the tags in the header is one of these; `*` is any."""
    found = [(weak, name) for weak, name in _TAG.findall(header) if weakly or not weak]
    return header.strip() == "*" or any(name in tags for _, name in found)


def deliver(request: Request, content: Content) -> Response:
    kind = content.media_type
    headers = {
        "ETag": content.etag,
        "Cache-Control": "private, no-cache",  # kept by its reader, and asked about each time
        "Vary": "Authorization",
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(content.name, inline=content.inline),
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
    }
    if unchanged(request, content):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary")})
    wanted = _wanted(request, content)
    if wanted is None:
        start, end, status = 0, content.size, 200
    elif wanted[0] >= wanted[1]:
        detail = f"The range lies outside of the {content.size} bytes."
        refused = problem_response(
            RangeNotSatisfiable.code, RangeNotSatisfiable.http_status, detail, instance=request.url.path
        )
        refused.headers["Content-Range"] = f"bytes */{content.size}"
        return refused
    else:
        start, end, status = *wanted, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(content.read(start, end), status, headers)


def _wanted(request: Request, content: Content) -> tuple[int, int] | None:
    """The one range asked for, as [start, end); None where all is to be sent, as with several or another unit."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if asked is None or not (asked[1] or asked[2]) or request.method != "GET":
        return None
    if condition is not None and condition != content.etag:
        return None  # what the client has the beginning of is no longer this
    if not asked[1]:  # so many bytes from the end
        return max(0, content.size - int(asked[2])), content.size if int(asked[2]) else 0
    if asked[2] and int(asked[2]) < int(asked[1]):
        return None  # no range at all, says the standard
    return int(asked[1]), min(content.size, int(asked[2]) + 1 if asked[2] else content.size)

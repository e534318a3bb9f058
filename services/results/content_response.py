"""HTTP responses with ETags and ranges: whole content, a part, or 304 if the client has it already."""

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
    """Content with random access; its ETag changes exactly when its bytes change."""

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
    """A strong ETag: half of the hash suffices against collisions."""
    return f'"{sha256[:32]}"'


def unchanged(request: Request, content: Content) -> bool:
    """Whether the client already has the current content."""
    known = request.headers.get("if-none-match")
    return known is not None and matches(known, content.etag, weakly=True)


def matches(header: str, *tags: str, weakly: bool = False) -> bool:
    """Whether the header contains one of these tags; `*` matches any."""
    found = [(weak, name) for weak, name in _TAG.findall(header) if weakly or not weak]
    return header.strip() == "*" or any(name in tags for _, name in found)


def deliver(request: Request, content: Content) -> Response:
    kind = content.media_type
    headers = {
        "ETag": content.etag,
        "Cache-Control": "private, no-cache",  # the client stores it and revalidates each time
        "Vary": "Authorization, Cookie",
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(content.name, inline=content.inline),
        "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
    }
    if unchanged(request, content):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Cache-Control", "Vary")})
    byte_range = _requested_range(request, content)
    if byte_range is None:
        start, end, status = 0, content.size, 200
    elif byte_range[0] >= byte_range[1]:
        detail = f"The range is outside the {content.size} bytes."
        refused = problem_response(
            RangeNotSatisfiable.code, RangeNotSatisfiable.http_status, detail, instance=request.url.path
        )
        refused.headers["Content-Range"] = f"bytes */{content.size}"
        return refused
    else:
        start, end, status = *byte_range, 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    return StreamingResponse(content.read(start, end), status, headers)


def _requested_range(request: Request, content: Content) -> tuple[int, int] | None:
    """The requested range as [start, end); None if all is to be sent, as for several ranges or another unit."""
    parsed = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if parsed is None or not (parsed[1] or parsed[2]) or request.method != "GET":
        return None
    if condition is not None and condition != content.etag:
        return None  # the content changed since the client got its first part
    if not parsed[1]:  # a suffix range: the last N bytes
        return max(0, content.size - int(parsed[2])), content.size if int(parsed[2]) else 0
    if parsed[2] and int(parsed[2]) < int(parsed[1]):
        return None  # RFC 9110: an invalid range is ignored
    return int(parsed[1]), min(content.size, int(parsed[2]) + 1 if parsed[2] else content.size)

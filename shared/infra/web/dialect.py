"""The dialect of a compatible API: where its clients send the key, and how its vendor writes errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.infra.web.problems import MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Failure:
    """An error of the native API that is to be rewritten."""

    status: int
    code: str
    message: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """`write_error` returns the status and the body in the vendor's form."""

    prefixes: Sequence[str]
    write_error: Callable[[Failure], tuple[int, Mapping[str, Any]]]
    key_header: str = "authorization"
    key_schemes: Sequence[str] = ("bearer",)  # empty: the header is the key alone
    key_pattern: re.Pattern[str] | None = None  # its group is the key within the header

    def key_in(self, headers: Headers) -> str | None:
        value = headers.get(self.key_header)
        if value is None or self.key_pattern is None:
            return value
        found = self.key_pattern.search(value)
        return found[1] if found else ""

    def covers(self, path: str) -> bool:
        return any(f"{path}/".startswith(f"{prefix}/") for prefix in self.prefixes)


NATIVE = Dialect(prefixes=(), write_error=lambda failure: (failure.status, {}))


def dialect_of(path: str, dialects: Iterable[Dialect]) -> Dialect:
    return next((one for one in dialects if one.covers(path)), NATIVE)


class DialectErrors:
    """Middleware that rewrites every problem response below the paths of a dialect."""

    def __init__(self, app: ASGIApp, *, dialects: Sequence[Dialect]) -> None:
        self._app = app
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (dialect := dialect_of(scope["path"], self._dialects)) is NATIVE:
            await self._app(scope, receive, send)
            return
        problem: Message | None = None
        content = bytearray()

        async def send_rewritten(message: Message) -> None:
            nonlocal problem
            if message["type"] == "http.response.start" and _is_problem(message):
                problem = message
            elif problem is None:
                await send(message)
            else:
                content.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    start, body = _rewritten(dialect, problem, bytes(content))
                    await send(start)
                    await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, send_rewritten)


def _is_problem(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith(MEDIA_TYPE)


def _rewritten(dialect: Dialect, start: Message, content: bytes) -> tuple[Message, bytes]:
    problem: dict[str, Any] = json.loads(content)
    fields = " ".join(f"{one['field']}: {one['message']}." for one in problem.get("errors", ()))
    parts = (problem["detail"], fields, problem.get("hint") or "")
    headers = MutableHeaders(scope=start)
    failure = Failure(
        status=start["status"],
        code=problem["code"],
        message=" ".join(part for part in parts if part),
        request_id=headers.get("x-request-id", ""),
    )
    status, rewritten = dialect.write_error(failure)
    body = json.dumps(rewritten, ensure_ascii=False).encode()
    headers["content-type"] = "application/json"
    headers["content-length"] = str(len(body))
    return {**start, "status": status}, body

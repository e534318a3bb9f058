"""Errors as answers: RFC 9457 problems with a stable code, and never a word of what was sent."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.domain.error import InvalidRequest, KeyRefused, UndertoneError

MEDIA_TYPE = "application/problem+json"
log = structlog.get_logger()


class Problem(BaseModel):
    """What every refusal looks like; `code` never changes once released."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    mend: str | None = None
    # Where a request was not understood: the place in it and the rule, never the value.
    errors: list[dict[str, str]] | None = None


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    mend: str | None = None,
    errors: Sequence[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = Problem(
        type=f"urn:undertone:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        mend=mend,
        errors=list(errors) if errors else None,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, MEDIA_TYPE)


def problem_of(error: UndertoneError) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, KeyRefused) else None
    return problem(error.status, error.code, error.message, mend=error.mend, headers=headers)


def answers(*errors: type[UndertoneError]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI shall say about these refusals, by status; each with its codes."""
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error.code)
    return {
        status: {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}",
            "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
        }
        for status, codes in sorted(by_status.items())
    }


def install_problems(app: FastAPI) -> None:
    """Every error of this application becomes a problem; those that nobody foresaw, too."""
    app.add_exception_handler(UndertoneError, _foreseen)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _of_the_framework)
    app.add_middleware(LastResort)


async def _foreseen(_request: Request, error: Exception) -> Response:
    assert isinstance(error, UndertoneError)  # noqa: S101  (the framework calls it for nothing else)
    return problem_of(error)


async def _not_understood(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    places = [{"where": _where(found), "what": _what(found)} for found in error.errors()]
    return problem(InvalidRequest.status, InvalidRequest.code, "The request is not understood.", errors=places)


def _where(found: Mapping[str, Any]) -> str:
    parts = found["loc"]
    if found["type"] == "extra_forbidden":
        parts = (*parts[:-1], "…")  # a name that we do not know is the client's word
    return ".".join(str(part) for part in parts)


def _what(found: Mapping[str, Any]) -> str:
    # A validator of ours may quote what it was given; the framework's own sentences do not.
    return "This does not hold." if found["type"] in ("value_error", "assertion_error") else str(found["msg"])


async def _of_the_framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    return problem(error.status_code, code, f"{phrase}.", headers=error.headers)


class LastResort:
    """Answer what nobody foresaw, and log where it happened: its message may hold words of a meeting."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def noticed(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:
            if scope["type"] != "http":
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            log.error("web.unforeseen", error=type(error).__name__, file=Path(last.filename).name, line=last.lineno)  # noqa: TRY400
            if began:
                raise RuntimeError("an answer broke off half-way") from None
            answer = problem(500, UndertoneError.code, "Something broke here; it is in our log.")
            await answer(scope, receive, noticed)

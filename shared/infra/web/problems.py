"""Errors as RFC 9457 problems: a stable code and a sentence; nothing that came in is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.domain.error import UndertoneError
from shared.infra.web.error_page import BARE_STATUS, type_reference

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """What every refused or failed request is answered with."""

    type: str = Field(description="A reference to the page /errors, where the code is explained")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable: what programs should look at")
    instance: str | None = None
    hint: str | None = Field(default=None, description="What helps")
    errors: tuple[FieldProblem, ...] = ()


def problem_response(
    code: str,
    status: int,
    detail: str,
    *,
    instance: str | None = None,
    hint: str | None = None,
    errors: Sequence[FieldProblem] = (),
) -> Response:
    told = Problem(
        type=type_reference(code),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        instance=instance,
        hint=hint,
        errors=tuple(errors),
    )
    body = told.model_dump_json(exclude_none=True, exclude=None if errors else {"errors"})
    return Response(body, status, media_type=MEDIA_TYPE)


def error_response(error: UndertoneError, instance: str | None = None) -> Response:
    """A fault of ours says only its code: its message could name a path or an address inside."""
    ours = error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR
    message = "Something broke here; the operator's log says what." if ours else error.message
    answer = problem_response(
        error.code, error.http_status, message, instance=instance, hint=None if ours else error.hint
    )
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if (seconds := retry_after(error)) is not None:
        answer.headers["Retry-After"] = str(seconds)
    return answer


def retry_after(error: UndertoneError) -> int | None:
    """Seconds for `Retry-After`: the error's own, or a default where the same request may succeed later."""
    if error.retry_after is not None:
        return error.retry_after
    ours = error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR
    again = error.http_status == HTTPStatus.SERVICE_UNAVAILABLE or (error.retryable and not ours)
    return RETRY_SECONDS if again else None


def install_error_handlers(app: FastAPI) -> None:
    """Let every error of this application be answered as a problem."""

    @app.exception_handler(UndertoneError)
    async def _ours(request: Request, error: UndertoneError) -> Response:
        return _close_connection(request, error_response(error, request.url.path))

    @app.exception_handler(HTTPException)
    async def _bare(request: Request, error: HTTPException) -> Response:
        code, detail = BARE_STATUS.get(error.status_code, ("request_error", "The request cannot be answered."))
        answer = problem_response(code, error.status_code, detail, instance=request.url.path)
        answer.headers.update(error.headers or {})
        return _close_connection(request, answer)

    @app.exception_handler(RequestValidationError)
    async def _unreadable(request: Request, error: RequestValidationError) -> Response:
        errors = validation_problems(error.errors())
        detail = "Some fields are missing or not as they must be."
        return problem_response("invalid_request", 422, detail, instance=request.url.path, errors=errors)


def _close_connection(request: Request, answer: Response) -> Response:
    """A body may not have been read to its end: what follows on this connection would be its rest."""
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        answer.headers["Connection"] = "close"
    return answer


def validation_problems(found: Sequence[Any], *, within: int = 1) -> list[FieldProblem]:
    """pydantic's findings without what was sent: neither values nor names of fields that are none of ours."""
    told = []
    for one in found:
        place = [str(part) for part in one["loc"][within:]][:1]
        if one["type"] == "extra_forbidden":
            told.append(FieldProblem(field="", message="There is a field that is not known here."))
        elif one["type"] == "value_error":
            told.append(FieldProblem(field=".".join(place), message="This is not as it must be."))
        else:
            told.append(FieldProblem(field=".".join(place), message=one["msg"]))
    return told


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for its description."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}}}}
        for status in sorted({*statuses, 401, 403, 422, 429, 500})
    }


SCHEMA = "#/components/schemas/Problem"

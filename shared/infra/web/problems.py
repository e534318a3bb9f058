"""Error responses as RFC 9457 problems with a stable code; they never repeat input."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared.domain.error import JobFailed, UndertoneError
from shared.infra.web.error_page import BARE_STATUS, type_reference

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """The response body of every rejected or failed request."""

    type: str = Field(description="A reference to the page /errors, where the code is explained")
    title: str
    status: int
    detail: str
    code: str = Field(description="Stable error code for programs")
    instance: str | None = None
    hint: str | None = Field(default=None, description="How to fix the error")
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
    problem = Problem(
        type=type_reference(code),
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        instance=instance,
        hint=hint,
        errors=tuple(errors),
    )
    body = problem.model_dump_json(exclude_none=True, exclude=None if errors else {"errors"})
    return Response(body, status, media_type=MEDIA_TYPE)


def error_response(error: UndertoneError, instance: str | None = None) -> Response:
    """Creates the response of an error; internal errors include only the code, as a message could name a path."""
    internal = error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR
    message = "An internal error occurred; the operator's log has the cause." if internal else error.message
    # The job's own code, so that a client can handle it directly.
    code = error.job_code if isinstance(error, JobFailed) else error.code
    response = problem_response(
        code, error.http_status, message, instance=instance, hint=None if internal else error.hint
    )
    if error.http_status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if (seconds := retry_after(error)) is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


def retry_after(error: UndertoneError) -> int | None:
    """Seconds for `Retry-After`: the error's own, or a default where the same request may succeed later."""
    if error.retry_after is not None:
        return error.retry_after
    internal = error.http_status == HTTPStatus.INTERNAL_SERVER_ERROR
    again = error.http_status == HTTPStatus.SERVICE_UNAVAILABLE or (error.retryable and not internal)
    return RETRY_SECONDS if again else None


def install_error_handlers(app: FastAPI) -> None:
    """Installs handlers that return every error of the application as a problem."""

    @app.exception_handler(UndertoneError)
    async def _undertone_error(request: Request, error: UndertoneError) -> Response:
        return _close_connection(request, error_response(error, request.url.path))

    @app.exception_handler(HTTPException)
    async def _http_exception(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.NO_CONTENT:
            return Response(status_code=error.status_code)
        code, detail = BARE_STATUS.get(error.status_code, ("request_error", "The request failed."))
        response = problem_response(code, error.status_code, detail, instance=request.url.path)
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(sorted(allowed_methods(app.routes, request.url.path)))
        return _close_connection(request, response)

    @app.exception_handler(RequestValidationError)
    async def _validation_error(request: Request, error: RequestValidationError) -> Response:
        errors = validation_problems(error.errors())
        detail = "Some fields are missing or invalid."
        return problem_response("invalid_request", 422, detail, instance=request.url.path, errors=errors)


def allowed_methods(routes: Sequence[Any], path: str) -> set[str]:
    """The methods of every route with this path; the framework names only those of the first one."""
    found: set[str] = set()
    for route in routes:
        if (pattern := getattr(route, "path_regex", None)) is not None and pattern.match(path):
            found |= set(route.methods or ())
        found |= allowed_methods(getattr(getattr(route, "original_router", None), "routes", ()), path)
    return found


def _close_connection(request: Request, response: Response) -> Response:
    """Closes the connection if the request has a body, because unread bytes would be parsed as the next request."""
    if "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0":
        response.headers["Connection"] = "close"
    return response


def validation_problems(found: Sequence[Any], *, within: int = 1) -> list[FieldProblem]:
    """Converts pydantic's errors without the input: neither values nor names of unknown fields."""
    problems = []
    for one in found:
        path = [str(part) for part in one["loc"][within:]][:1]
        if one["type"] == "extra_forbidden":
            problems.append(FieldProblem(field="", message="The request has an unknown field."))
        elif one["type"] == "value_error":
            problems.append(FieldProblem(field=".".join(path), message="The value is invalid."))
        else:
            problems.append(FieldProblem(field=".".join(path), message=one["msg"]))
    return problems

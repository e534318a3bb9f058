"""What a compatible API consists of, and what all of them translate in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.context import Context
from shared.domain.error import InvalidRequest
from shared.domain.job_request import JobRequest
from shared.infra.web.dialect import Dialect

# Options without a field in these APIs: clients send headers `Undertone-…`, or nested fields.
GOVERNANCE = ("purpose", "consent", "modalities")
GOVERNANCE_FIELDS = tuple(f"undertone[{name}]" for name in GOVERNANCE)


@dataclass(frozen=True, slots=True)
class CompatibleApi:
    router: APIRouter
    dialects: Sequence[Dialect]
    body_limits: Mapping[str, int | None] = field(default_factory=dict)
    background_tasks: Sequence[Callable[[Context], None]] = ()  # repeated in the background
    open_paths: Collection[str] = ()  # without a key


class UnsupportedOption(InvalidRequest):
    """An option that this service does not have; the message names it."""

    http_status = 400


def read_options(
    headers: Headers, fields: Mapping[str, Any], nested: Mapping[str, str] = {}, *, names: Mapping[str, str] = {}
) -> JobRequest:
    """The native options, with purpose, consent and modalities from headers or from nested fields.

    An error names the client's field; `names` maps native names to the client's where they differ.
    """
    found = {name: headers.get(f"undertone-{name}") or nested.get(f"undertone[{name}]") for name in GOVERNANCE}
    given = {name: value for name, value in found.items() if value is not None}
    try:
        return validate(JobRequest, {name: value for name, value in fields.items() if value is not None} | given)
    except RequestValidationError as error:
        renamed = [{**one, "loc": tuple(names.get(part, part) for part in one["loc"])} for one in error.errors()]
        raise RequestValidationError(renamed) from None


def check_options(given: Mapping[str, Any], *, supported: Collection[str], ignored: Collection[str]) -> list[str]:
    """Warnings about options that only tune the vendor's model; raises for every other unsupported option.

    An option with the value false is not requested. An ignored one may be on by default, so its `false` gets a warning.
    """
    sent = {name: value for name, value in given.items() if value not in (None, "", [], {})}
    requested = {name for name, value in sent.items() if value not in (False, "false")}
    if unknown := sorted(requested - set(supported) - set(ignored)):
        names = ", ".join(unknown)
        raise UnsupportedOption(f"Not supported: {names}.", hint="Leave it out; docs/compatible-apis.md has the list.")
    return [f"The option {name} has no effect here." for name in sorted(set(sent) & set(ignored))]


def first_part(language: str | None) -> str | None:
    """The language of a code such as `en_us` or `de-CH`."""
    return language.replace("_", "-").partition("-")[0] if language else None


def letter(index: int) -> str:
    """The label of a speaker: A, B, … Z, AA."""
    return (letter(index // 26 - 1) if index >= 26 else "") + chr(ord("A") + index % 26)

"""The type of a setting that is a comma-separated list in the environment."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

T = TypeVar("T")


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


# `NoDecode`: without it, the settings library would parse the variable as JSON.
CommaList = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]

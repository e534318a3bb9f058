"""Cursor pagination: a page of a list, and the cursor of the next page."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, StringConstraints

from shared.domain.error import InvalidRequest
from shared.domain.value import Value

Item = TypeVar("Item")


class Cursor(Value):
    """The last item of a page; lists are sorted from new to old, then by id."""

    at: AwareDatetime
    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}(:[0-9]{1,9})?$")]  # with a position in the job

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        try:
            return cls.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error):
            raise InvalidRequest("The cursor is invalid.", hint="Start again without a cursor.") from None


class Page(Value, Generic[Item]):
    items: tuple[Item, ...]
    next_cursor: str | None = None

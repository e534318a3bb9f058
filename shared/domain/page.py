"""A page of a long list, and the cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Generic, TypeVar

from shared.domain.error import InvalidRequest
from shared.domain.value import Value

Item = TypeVar("Item")


class Cursor(Value):
    """Where a page ended: lists run from new to old, and the id decides between equals."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        try:
            return cls.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error):
            raise InvalidRequest("That cursor is none of ours.", hint="Begin again without a cursor.") from None


class Page(Value, Generic[Item]):
    items: tuple[Item, ...]
    next_cursor: str | None = None

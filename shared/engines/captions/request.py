"""The request that the sandboxed child gets for a captioned video."""

from __future__ import annotations

from shared.domain.caption import CaptionLine
from shared.domain.value import Value


class CaptionRequest(Value):
    media: str
    into: str
    burn: bool
    notice: str
    lines: tuple[CaptionLine, ...]

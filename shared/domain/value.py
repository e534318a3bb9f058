"""The base of everything that crosses a boundary: frozen, closed, and compared by content."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    # NaN and infinity are refused: JSON has no word for them, so they would break the transcript.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

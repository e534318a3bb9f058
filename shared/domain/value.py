"""The base class of all domain values: frozen, without extra fields, compared by content."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    # NaN and infinity are rejected: JSON cannot represent them, so the transcript would be invalid.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

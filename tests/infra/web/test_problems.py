"""Tests of the Retry-After header of error responses."""

from __future__ import annotations

import pytest

from shared.domain.error import (
    EngineFailed,
    EngineUnavailable,
    IdempotencyKeyInUse,
    NotFound,
    QuotaExceeded,
    StorageFull,
    StorageUnavailable,
    TooManyRequests,
    UndertoneError,
)
from shared.infra.web.problems import error_response


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TooManyRequests("too often", retry_after=7), "7"),
        (StorageFull("full"), "60"),
        (StorageUnavailable("unavailable"), "5"),
        (EngineUnavailable("not installed"), "5"),
        (IdempotencyKeyInUse("busy"), "5"),
        (QuotaExceeded(1 << 20), None),  # retrying does not help until data are deleted
        (EngineFailed("it broke"), None),  # an internal error: the time is unknown
        (NotFound("not installed"), None),
    ],
)
def test_temporary_error_has_a_retry_after_header(error: UndertoneError, seconds: str | None) -> None:
    answer = error_response(error)
    assert answer.status_code == error.http_status
    assert answer.headers.get("retry-after") == seconds

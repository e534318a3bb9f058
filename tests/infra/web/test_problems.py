"""Which errors say when to ask again."""

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
        (StorageUnavailable("away"), "5"),
        (EngineUnavailable("not here"), "5"),
        (IdempotencyKeyInUse("busy"), "5"),
        (QuotaExceeded(1 << 20), None),  # only erasing something helps
        (EngineFailed("it broke"), None),  # a fault of ours: nobody knows
        (NotFound("not here"), None),
    ],
)
def test_an_error_that_may_go_away_says_when_to_ask_again(error: UndertoneError, seconds: str | None) -> None:
    answer = error_response(error)
    assert answer.status_code == error.http_status
    assert answer.headers.get("retry-after") == seconds

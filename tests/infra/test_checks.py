"""Tests of readiness checks: failures, timeouts and the cache."""

from __future__ import annotations

import threading
import time

import pytest

from shared.infra.checks import ReadinessCheck, run_checks


def test_check_that_raises_or_returns_false_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise ConnectionError("s3://secret@somewhere")

    checks = {
        "yes": ReadinessCheck("yes", lambda: None),
        "true": ReadinessCheck("true", lambda: True),
        "no": ReadinessCheck("no", lambda: False),
        "broken": ReadinessCheck("broken", broken),
    }
    assert run_checks(checks) == {"yes": True, "true": True, "no": False, "broken": False}
    output = capsys.readouterr().out
    assert "service.not_ready" in output and "ConnectionError" in output and "secret" not in output


def test_hanging_check_is_awaited_once_and_uses_one_thread() -> None:
    release = threading.Event()
    calls: list[float] = []

    def hang() -> None:
        calls.append(time.monotonic())
        release.wait(30)

    check = ReadinessCheck("storage", hang, timeout_seconds=0.3, cache_seconds=0.0)
    began = time.monotonic()
    assert run_checks({"storage": check, "other": ReadinessCheck("other", lambda: True)}) == {
        "storage": False,
        "other": True,
    }
    assert 0.3 <= time.monotonic() - began < 3
    began = time.monotonic()
    assert [check.passes() for _ in range(5)] == [False] * 5
    assert time.monotonic() - began < 0.25, "the timeout has already passed"
    assert len(calls) == 1
    release.set()
    deadline = time.monotonic() + 5
    while not check.passes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert check.passes(), "the check passes again"


def test_result_is_cached_briefly() -> None:
    calls: list[int] = []
    check = ReadinessCheck("database", lambda: calls.append(1), cache_seconds=0.2)
    assert check.passes() and check.passes()
    assert len(calls) == 1
    time.sleep(0.25)
    assert check.passes()
    assert len(calls) == 2

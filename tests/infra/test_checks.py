"""Whether something can be used is asked briefly, and what hangs holds up nobody."""

from __future__ import annotations

import threading
import time

import pytest

from shared.infra.checks import ReadinessCheck, run_checks


def test_what_raises_or_says_no_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise ConnectionError("s3://secret@somewhere")

    checks = {
        "yes": ReadinessCheck("yes", lambda: None),
        "true": ReadinessCheck("true", lambda: True),
        "no": ReadinessCheck("no", lambda: False),
        "broken": ReadinessCheck("broken", broken),
    }
    assert run_checks(checks) == {"yes": True, "true": True, "no": False, "broken": False}
    told = capsys.readouterr().out
    assert "service.not_ready" in told and "ConnectionError" in told and "secret" not in told


def test_what_hangs_is_waited_for_once_and_has_one_thread() -> None:
    go_on = threading.Event()
    asked: list[float] = []

    def hang() -> None:
        asked.append(time.monotonic())
        go_on.wait(30)

    check = ReadinessCheck("storage", hang, timeout_seconds=0.3, cache_seconds=0.0)
    began = time.monotonic()
    assert run_checks({"storage": check, "other": ReadinessCheck("other", lambda: True)}) == {
        "storage": False,
        "other": True,
    }
    assert 0.3 <= time.monotonic() - began < 3
    began = time.monotonic()
    assert [check.passes() for _ in range(5)] == [False] * 5
    assert time.monotonic() - began < 0.25, "it hangs still, which is known by now"
    assert len(asked) == 1
    go_on.set()
    deadline = time.monotonic() + 5
    while not check.passes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert check.passes(), "it came back"


def test_an_answer_is_remembered_for_a_moment() -> None:
    asked: list[int] = []
    check = ReadinessCheck("database", lambda: asked.append(1), cache_seconds=0.2)
    assert check.passes() and check.passes()
    assert len(asked) == 1
    time.sleep(0.25)
    assert check.passes()
    assert len(asked) == 2

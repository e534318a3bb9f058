"""The retention periods of a tenant over HTTP: shown, and only shortened."""

from __future__ import annotations

from datetime import timedelta

from shared.domain.retention import RetentionCategory
from shared.infra.database.erasure import SqlErasureStore
from tests.results.conftest import ADMIN, ResultsHarness

PATH = "/v1/retention"


def test_periods_are_shown_and_changed(harness: ResultsHarness) -> None:
    web = harness.web(ADMIN)
    shown = web.get(PATH).json()
    assert shown["deployment"] == {"media_hours": 24.0, "artifacts_days": 7.0, "transcript_days": None}
    assert set(shown["tenant"].values()) == {None}
    assert web.patch(PATH, json={"media_hours": 2, "transcript_days": 30}).json()["tenant"]["media_hours"] == 2
    changed = web.patch(PATH, json={"media_hours": None}).json()["tenant"]
    assert changed == {"media_hours": None, "artifacts_days": None, "transcript_days": 30}
    assert web.get(PATH).json()["tenant"] == changed
    assert set(harness.web(ADMIN, "theirs").get(PATH).json()["tenant"].values()) == {None}


def test_a_period_is_never_longer_than_the_deployments(harness: ResultsHarness) -> None:
    web = harness.web(ADMIN)
    refused = web.patch(PATH, json={"media_hours": 25})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    for wrong in ({"media_hours": -1}, {"audit_days": 1}):
        assert web.patch(PATH, json=wrong).status_code == 422
    assert set(web.get(PATH).json()["tenant"].values()) == {None}


def test_a_shorter_period_applies_to_meetings_that_exist(harness: ResultsHarness) -> None:
    made, theirs = harness.done(), harness.done("theirs")
    harness.clock.move(timedelta(hours=3))
    store, day = SqlErasureStore(harness.database), timedelta(days=1)
    assert store.expired(RetentionCategory.MEDIA, day) == ()
    harness.web(ADMIN).patch(PATH, json={"media_hours": 2})
    assert store.expired(RetentionCategory.MEDIA, day) == (("ours", made.job_id),)
    assert store.expired(RetentionCategory.TRANSCRIPT, None) == ()
    harness.clock.move(day)
    assert {job for _, job in store.expired(RetentionCategory.MEDIA, day)} == {made.job_id, theirs.job_id}

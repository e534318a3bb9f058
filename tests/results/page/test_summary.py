"""The page of the summary as the service sends it: for each key what it may see, escaped, and audited."""

from __future__ import annotations

from fastapi.testclient import TestClient

from shared.infra.database.audit_log import SqlAuditLog
from tests.results.conftest import READ, ResultsHarness


def test_the_summary_has_drawings_and_numbers(harness: ResultsHarness) -> None:
    made = harness.done()
    page = harness.web().get(f"/meetings/{made.job_id}/summary").text
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg" class="drawing"') == 3
    assert "Ana &lt;Ops&gt; &amp; Co" in page and "<Ops>" not in page
    assert "sadness 60%" in page and "no large change" in page
    assert made.disclosure.notice in page and page.count("<script") == 1


def test_without_the_scope_the_summary_has_no_perceived_emotion(harness: ResultsHarness) -> None:
    page = harness.web(READ).get(f"/meetings/{harness.done().job_id}/summary").text
    assert page.count("<svg") == 1 and "sadness" not in page and "valence" not in page


def test_a_missing_or_unfinished_meeting_has_no_summary(harness: ResultsHarness) -> None:
    assert harness.web().get("/meetings/missing/summary").status_code == 404
    assert harness.web().get(f"/meetings/{harness.queued()}/summary").status_code == 409


def test_a_view_is_audited(harness: ResultsHarness) -> None:
    made = harness.done()
    harness.web().get(f"/meetings/{made.job_id}/summary")
    (entry,) = SqlAuditLog(harness.database).list("ours").items
    assert (entry.action, entry.subject) == ("transcript.read", made.job_id)
    assert dict(entry.details) == {"format": "summary page", "emotion": True}


def test_without_a_session_the_browser_is_sent_to_the_sign_in(harness: ResultsHarness) -> None:
    path = f"/meetings/{harness.done().job_id}/summary"
    answer = TestClient(harness.app).get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={path}")

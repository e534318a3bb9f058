"""Errors in a browser: pages with the code and the hint of the problem."""

from __future__ import annotations

import pytest

from services.results.page.render import POLICY
from tests.results.conftest import ADMIN, READ, ResultsHarness

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/manage/keys", 403, "insufficient_scope"),
        ("/manage/nothing", 404, "not_found"),
        ("/meetings/missing", 404, "not_found"),
        ("/manage/audit?first=today", 422, "invalid_request"),
        (f"/manage/audit?action={'x' * 201}", 422, "invalid_request"),
    ],
)
def test_a_browser_gets_a_page_and_a_program_a_problem(
    harness: ResultsHarness, path: str, status: int, code: str
) -> None:
    web = harness.web(READ if status == 403 else ADMIN)
    shown = web.get(path, headers=BROWSER)
    assert (shown.status_code, shown.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f"<code>{code}</code>" in shown.text and 'href="/"' in shown.text
    assert shown.headers["content-security-policy"] == POLICY
    assert shown.headers["cache-control"] == "no-store"
    if status == 403:
        assert "requires a key with the scope admin" in shown.text
        assert "Create one with `undertone keys create`." in shown.text
        problem = web.get(path)
        assert problem.headers["content-type"] == "application/problem+json"
        assert problem.json()["code"] == code


def test_the_api_returns_problems_to_browsers(harness: ResultsHarness) -> None:
    answer = harness.web().get("/v1/transcripts/missing", headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_response_without_an_error_is_unchanged(harness: ResultsHarness) -> None:
    made, web = harness.done(), harness.web()
    for path in (f"/meetings/{made.job_id}", "/page/page.css"):
        assert web.get(path, headers=BROWSER).content == web.get(path).content
    refused = harness.web().get("/", headers={**BROWSER, "Authorization": "Bearer ut_0_wrong"}, follow_redirects=False)
    assert (refused.status_code, refused.headers["location"]) == (303, "/sign-in?next=/")

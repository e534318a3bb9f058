"""Signing in with a key, what the session may do, and requests of other sites."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from services.results.page.render import POLICY
from shared.domain.tenant import Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.keys import SqlKeyStore
from shared.infra.web.authenticator import KEYLESS_TENANT
from shared.infra.web.sessions import COOKIE
from tests.results.conftest import ALL, READ, ResultsHarness, opened_app

OWN = {"Sec-Fetch-Site": "same-origin"}
HOST = "undertone.example"


def browser(harness: ResultsHarness, scheme: str = "http") -> TestClient:
    return TestClient(harness.app, base_url=f"{scheme}://{HOST}", follow_redirects=False)


def signed_in(harness: ResultsHarness, scopes: frozenset[Scope] = ALL) -> TestClient:
    web = browser(harness)
    answer = web.post("/sign-in", data={"key": harness.key(scopes)}, headers=OWN)
    assert answer.status_code == 303, answer.text
    return web


def test_a_page_leads_to_the_sign_in_and_back(harness: ResultsHarness) -> None:
    made, web = harness.done(), browser(harness)
    refused = web.get(f"/meetings/{made.job_id}")
    assert refused.headers["location"] == f"/sign-in?next=/meetings/{made.job_id}"
    form = web.get(refused.headers["location"])
    assert f'value="/meetings/{made.job_id}"' in form.text
    answer = web.post("/sign-in", data={"key": harness.key(), "next": f"/meetings/{made.job_id}"}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/meetings/{made.job_id}")
    shown = web.get(answer.headers["location"])
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/v1/jobs", "/meetings/../v1/jobs"])
def test_the_sign_in_leads_nowhere_else(harness: ResultsHarness, target: str) -> None:
    answer = browser(harness).post("/sign-in", data={"key": harness.key(), "next": target}, headers=OWN)
    assert answer.headers["location"] == "/"


def test_the_cookie_is_unreadable_for_scripts_and_secure_behind_tls(harness: ResultsHarness) -> None:
    for scheme, secure in (("http", False), ("https", True)):
        answer = browser(harness, scheme).post("/sign-in", data={"key": harness.key()}, headers=OWN)
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert ("Secure" in cookie.split("; ")) is secure


def test_the_session_has_exactly_the_scopes_of_its_key(harness: ResultsHarness) -> None:
    made = harness.done()
    path = f"/v1/transcripts/{made.job_id}"
    editor, reader = signed_in(harness), signed_in(harness, READ)
    assert editor.patch(f"{path}/speakers/S1", json={"name": "Anna"}, headers=OWN).status_code == 200
    assert reader.get(path).json()["utterances"][0]["emotion"] is None
    assert reader.patch(f"{path}/speakers/S1", json={"name": "A"}, headers=OWN).json()["code"] == "insufficient_scope"
    assert "data-rename" in editor.get(f"/meetings/{made.job_id}").text
    assert "data-rename" not in reader.get(f"/meetings/{made.job_id}").text
    assert 'class="reading' not in reader.get(f"/meetings/{made.job_id}").text


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_other_sites_change_nothing_with_the_session(harness: ResultsHarness, sent: dict[str, str]) -> None:
    made, web = harness.done(), signed_in(harness)
    rename = f"/v1/transcripts/{made.job_id}/speakers/S1"
    assert web.patch(rename, json={"name": "Mallory"}, headers=sent).json()["code"] == "host_not_allowed"
    assert web.post("/sign-out", headers=sent).status_code == 403
    assert browser(harness).post("/sign-in", data={"key": harness.key()}, headers=sent).status_code == 403
    assert web.get("/").status_code == 200


def test_an_old_browser_is_checked_by_its_origin(harness: ResultsHarness) -> None:
    made, web = harness.done(), signed_in(harness)
    rename = f"/v1/transcripts/{made.job_id}/speakers/S1"
    assert web.patch(rename, json={"name": "Anna"}, headers={"Origin": f"http://{HOST}"}).status_code == 200


def test_a_wrong_key_and_a_key_that_cannot_read_are_refused(harness: ResultsHarness) -> None:
    for text, status in (("ut_0_wrong", 401), ("", 401), (harness.key({Scope.WEBHOOKS_WRITE}), 403)):
        answer = browser(harness).post("/sign-in", data={"key": text}, headers=OWN)
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert 'aria-invalid="true"' in answer.text and (not text or text not in answer.text)


def test_signing_out_and_revoking_the_key_end_the_session(harness: ResultsHarness) -> None:
    web = signed_in(harness)
    token = web.cookies[COOKIE]
    out = web.post("/sign-out", headers=OWN)
    assert out.headers["location"] == "/sign-in" and COOKIE not in web.cookies
    stolen = browser(harness)
    stolen.cookies.set(COOKIE, token)
    assert stolen.get("/").status_code == 303
    assert stolen.get("/v1/search?q=a").json()["code"] == "invalid_api_key"
    web = signed_in(harness)
    for key in SqlKeyStore(harness.database).list("ours"):
        SqlKeyStore(harness.database).revoke("ours", key.id)
    assert web.get("/").status_code == 303
    actions = {entry.action for entry in SqlAuditLog(harness.database).list("ours").items}
    assert {"session.started", "session.ended"} <= actions


def test_cookies_of_other_services_do_not_hide_the_session(harness: ResultsHarness) -> None:
    token = signed_in(harness).cookies[COOKIE]
    cookies = {b"Cookie": f'a={{"b": [1, "é"]}}; =; {COOKIE}={token}; x'.encode("latin-1")}
    assert TestClient(harness.app).get("/v1/search?q=a", headers=cookies).status_code == 200


def test_a_key_in_the_header_takes_precedence_over_the_session(harness: ResultsHarness) -> None:
    web = signed_in(harness)
    made = harness.done("theirs")
    key = {"Authorization": f"Bearer {harness.key(tenant='theirs')}"}
    assert web.get(f"/v1/transcripts/{made.job_id}").status_code == 404
    assert web.get(f"/v1/transcripts/{made.job_id}", headers=key).status_code == 200


def test_sign_in_attempts_are_limited(harness: ResultsHarness) -> None:
    web = TestClient(opened_app(harness.database, harness.blobs, per_minute=3))
    codes = [web.post("/sign-in", data={"key": "x"}, headers=OWN).status_code for _ in range(4)]
    assert codes == [401, 401, 401, 429]


def test_a_keyless_service_has_no_sign_in(harness: ResultsHarness) -> None:
    app = opened_app(harness.database, harness.blobs, keyless=True)
    web = TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000), follow_redirects=False)
    harness.done(KEYLESS_TENANT)
    assert "Sign out" not in web.get("/").text and "stand" not in web.get("/sign-in").text
    assert (web.get("/sign-in").status_code, web.get("/sign-in").headers["location"]) == (303, "/")
    assert web.post("/sign-in", data={"key": "x"}, headers=OWN).status_code == 401
    assert web.post("/search", data={"q": "a"}, headers={"Origin": "https://evil.example"}).status_code == 403

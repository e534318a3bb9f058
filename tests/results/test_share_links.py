"""Share links: their creation, what they show, their end, and the audit trail."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.domain.job_blobs import recording_key
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS
from shared.infra.database.audit_log import SqlAuditLog
from tests.results.conftest import READ, ResultsHarness
from tests.results.test_media import MP4

MAY_SHARE = {Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE}


def shared(harness: ResultsHarness, **wanted: Any) -> tuple[str, str]:
    """The id of a meeting, and the address of a link to it."""
    job_id = harness.done().job_id
    harness.blobs.put("ours", recording_key(job_id), [MP4])
    answer = harness.web().post(f"/v1/transcripts/{job_id}/links", json=wanted)
    assert answer.status_code == 201, answer.text
    return job_id, answer.json()["url"]


def visitor(harness: ResultsHarness) -> TestClient:
    return TestClient(harness.app)


def test_a_link_shows_the_meeting_without_a_key(harness: ResultsHarness) -> None:
    job_id, url = shared(harness)
    page = visitor(harness).get(url)
    assert page.status_code == 200 and "Ana &lt;Ops&gt; &amp; Co" in page.text
    assert "sadness" not in page.text and "The recording is not shared." in page.text
    assert not re.search(r"<form[^>]*(action|post)", page.text) and "/v1/" not in page.text and job_id not in page.text
    for suffix in FORMATS:
        export = visitor(harness).get(f"{url}/transcript.{suffix}")
        assert export.status_code == 200, suffix
        whole = harness.web().get(f"/v1/transcripts/{job_id}.{suffix}?emotion=false")
        assert export.content == whole.content, suffix


def test_sound_and_emotion_are_shown_if_the_link_says_so(harness: ResultsHarness) -> None:
    _, url = shared(harness, sound=True, emotion=True)
    page = visitor(harness).get(url).text
    assert f'src="{url}/media"' in page and "sadness" in page
    part = visitor(harness).get(f"{url}/media", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert visitor(harness).head(f"{url}/media").headers["content-length"] == str(len(MP4))
    assert '"sadness"' in visitor(harness).get(f"{url}/transcript.json").text


def test_addresses_of_links_stay_private(harness: ResultsHarness) -> None:
    _, url = shared(harness, sound=True)
    for path in (url, f"{url}/media", f"{url}/transcript.vtt", "/shared/wrong", "/shared/wrong/transcript.vtt"):
        headers = visitor(harness).get(path).headers
        assert headers["referrer-policy"] == "no-referrer", path
        assert "no-store" in headers["cache-control"] or "private" in headers["cache-control"], path
        if "wrong" not in path:
            assert "noindex" in headers["x-robots-tag"]
    assert '<meta name="robots" content="noindex' in visitor(harness).get(url).text


def test_corrections_are_shown_without_corrected_emotions(harness: ResultsHarness) -> None:
    job_id, url = shared(harness)
    body = {"text": "Changed words.", "emotion": "disgust"}
    assert harness.web().patch(f"/v1/transcripts/{job_id}/utterances/0", json=body).status_code == 200
    for path in (url, f"{url}/transcript.json"):
        text = visitor(harness).get(path).text
        assert "Changed words." in text and "disgust" not in text


@pytest.mark.parametrize("scopes", [READ, {Scope.RECORDINGS_WRITE}, {Scope.EMOTIONS_READ}])
def test_sharing_needs_its_scopes(harness: ResultsHarness, scopes: set[Scope]) -> None:
    path = f"/v1/transcripts/{harness.done().job_id}/links"
    assert harness.web(scopes).post(path, json={}).json()["code"] == "insufficient_scope"
    assert harness.web(scopes).get(path).json()["code"] == "insufficient_scope"


def test_nobody_shares_readings_that_they_may_not_see(harness: ResultsHarness) -> None:
    path = f"/v1/transcripts/{harness.done().job_id}/links"
    web = harness.web(MAY_SHARE)
    assert web.post(path, json={"emotion": True}).json()["code"] == "insufficient_scope"
    assert web.post(path, json={}).status_code == 201
    assert harness.web(MAY_SHARE, tenant="theirs").post(path, json={}).status_code == 404


def test_a_link_is_valid_as_long_as_asked_up_to_the_limit(harness: ResultsHarness) -> None:
    path, web = f"/v1/transcripts/{harness.done().job_id}/links", harness.web()
    hours = {"expires_in_hours": 2}
    url = web.post(path, json=hours).json()["url"]
    harness.clock.move(timedelta(hours=1, minutes=59))
    assert visitor(harness).get(url).status_code == 200
    harness.clock.move(timedelta(minutes=1))
    ended = visitor(harness).get(url)
    assert ended.status_code == 404 and "it has ended" in ended.text
    for wrong in (0, -1, 721, 1e300):
        assert web.post(path, json={"expires_in_hours": wrong}).status_code == 422, wrong
    assert web.post(path, json={}).json()["expires_at"] == "2026-11-09T14:00:00Z", "a week by default"


def test_links_are_listed_without_addresses_and_can_be_revoked(harness: ResultsHarness) -> None:
    job_id, url = shared(harness, sound=True)
    path, web = f"/v1/transcripts/{job_id}/links", harness.web()
    listed = web.get(path)
    (one,) = listed.json()["items"]
    assert (one["sound"], one["emotion"]) == (True, False)
    assert url.removeprefix("/shared/") not in listed.text
    assert (listed.json()["default_hours"], listed.json()["max_hours"]) == (168, 720)
    assert harness.web(tenant="theirs").delete(f"{path}/{one['id']}").status_code == 404
    assert visitor(harness).get(url).status_code == 200
    assert web.delete(f"{path}/{one['id']}").status_code == 204
    assert visitor(harness).get(url).status_code == 404
    assert web.delete(f"{path}/{one['id']}").status_code == 404


def test_a_meeting_has_a_limited_number_of_links(harness: ResultsHarness) -> None:
    path, web = f"/v1/transcripts/{harness.done().job_id}/links", harness.web()
    for _ in range(50):
        assert web.post(path, json={}).status_code == 201
    assert web.post(path, json={}).json()["code"] == "state_conflict"


def test_creation_use_and_revocation_are_in_the_audit_trail(harness: ResultsHarness) -> None:
    job_id, url = shared(harness, sound=True)
    guest = visitor(harness)
    for path in (url, f"{url}/media", f"{url}/transcript.vtt"):
        guest.get(path)
    link = harness.web().get(f"/v1/transcripts/{job_id}/links").json()["items"][0]["id"]
    harness.web().delete(f"/v1/transcripts/{job_id}/links/{link}")
    entries = SqlAuditLog(harness.database).list("ours").items
    found = {(one.action, one.details.get("format")) for one in entries}
    used = {("link.used", name) for name in ("page", "recording", "vtt")}
    assert len(entries) == 5 and found == {("link.created", None), *used, ("link.revoked", None)}
    assert {one.subject for one in entries} == {job_id}
    assert {one.details["link"] for one in entries} == {link}
    assert url.removeprefix("/shared/") not in str(entries)


def test_a_link_ends_with_the_meeting(harness: ResultsHarness) -> None:
    job_id, url = shared(harness, sound=True)
    harness.erase(job_id)
    for path in (url, f"{url}/media", f"{url}/transcript.vtt"):
        assert visitor(harness).get(path).status_code == 404


def test_an_unfinished_meeting_is_shared_when_it_is_done(harness: ResultsHarness) -> None:
    answer = harness.web().post(f"/v1/transcripts/{harness.queued()}/links", json={})
    page = visitor(harness).get(answer.json()["url"])
    assert page.status_code == 409 and "There is no transcript yet" in page.text and "/v1/" not in page.text


def test_the_description_says_that_links_need_no_key(harness: ResultsHarness) -> None:
    paths = harness.web().get("/openapi.json").json()["paths"]
    assert paths["/shared/{token}/transcript.vtt"]["get"]["security"] == []
    assert "security" not in paths["/v1/transcripts/{job_id}/links"]["post"]
    assert "404" in paths["/shared/{token}/media"]["get"]["responses"]

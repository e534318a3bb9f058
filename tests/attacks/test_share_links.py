"""Attacks on share links: forged, altered and ended ones, ways to other meetings, and readings that are not shared."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.domain.emotion import EMOTIONS
from shared.domain.job_blobs import captioned_key, recording_key
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS
from shared.infra.database.keys import SqlKeyStore
from tests.attacks.test_authorization import RULES
from tests.exports.documents import text_of
from tests.results.conftest import ALL, ResultsHarness, opened_app
from tests.results.test_media import MP4


def shared(results: ResultsHarness, tenant: str = "ours", **wanted: Any) -> tuple[str, str]:
    job_id = results.done(tenant).job_id
    results.blobs.put(tenant, recording_key(job_id), [MP4])
    results.blobs.put(tenant, captioned_key(job_id), [b"captions: sadness"])
    made = results.web(ALL, tenant).post(f"/v1/transcripts/{job_id}/links", json=wanted).json()
    return job_id, made["url"]


@pytest.fixture
def visitor(results: ResultsHarness) -> TestClient:
    return TestClient(results.app)


def test_a_forged_token_opens_nothing(results: ResultsHarness, visitor: TestClient) -> None:
    job_id, url = shared(results, sound=True)
    token = url.rpartition("/")[2]
    link = results.web().get(f"/v1/transcripts/{job_id}/links").json()["items"][0]["id"]
    padded = base64.urlsafe_b64decode(token + "=").hex()
    forged = [token[:-1], token + "A", token.swapcase(), token[::-1], link, job_id, padded, "%00", "%ff", "*", "' OR 1"]
    answers = {name: visitor.get(f"/shared/{name}/transcript.json") for name in [*forged, "A" * 5000]}
    assert {answer.status_code for answer in answers.values()} == {404}
    assert len({answer.json()["detail"] for answer in answers.values()}) == 1, "an ended link looks like a missing one"


def test_a_key_or_a_session_is_no_token_and_a_token_is_no_key(results: ResultsHarness, visitor: TestClient) -> None:
    job_id, url = shared(results, emotion=True)
    key, token = results.key(), url.rpartition("/")[2]
    assert visitor.get(f"/shared/{key}").status_code == 404
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"Authorization": token},
        {"Cookie": f"undertone_session={token}"},
    ):
        for path in (f"/v1/transcripts/{job_id}", f"/v1/jobs/{job_id}/media", "/v1/search?q=customer"):
            assert visitor.get(path, headers=headers).status_code == 401, (path, headers)


@pytest.mark.parametrize("tail", ["", "/media", "/transcript.json", "/transcript.vtt"])
def test_a_link_ends_everywhere_at_once(results: ResultsHarness, visitor: TestClient, tail: str) -> None:
    job_id, url = shared(results, sound=True, emotion=True)
    etag = visitor.get(url + tail).headers.get("etag", "")
    link = results.web().get(f"/v1/transcripts/{job_id}/links").json()["items"][0]["id"]
    results.web().delete(f"/v1/transcripts/{job_id}/links/{link}")
    for headers in ({}, {"If-None-Match": etag}, {"Range": "bytes=0-1"}):
        assert visitor.get(url + tail, headers=headers).status_code == 404, headers


def test_a_stolen_key_leaves_no_link_behind(results: ResultsHarness, visitor: TestClient) -> None:
    job_id, key = results.done().job_id, results.key()
    owner = TestClient(results.app, headers={"Authorization": f"Bearer {key}"})
    url = owner.post(f"/v1/transcripts/{job_id}/links", json={"expires_in_hours": 720}).json()["url"]
    assert visitor.get(url).status_code == 200
    SqlKeyStore(results.database).revoke("ours", key.split("_")[1])
    assert visitor.get(url).status_code == 404


def test_a_link_shows_no_other_meeting(results: ResultsHarness, visitor: TestClient) -> None:
    _, url = shared(results, sound=True, emotion=True)
    other, theirs = results.done().job_id, results.done("theirs").job_id
    for job_id in (other, theirs):
        for path in (
            f"{url}/../{job_id}",
            f"{url}/%2e%2e/%2e%2e/v1/transcripts/{job_id}",
            f"{url}/..%2f..%2fv1%2ftranscripts%2f{job_id}",
            f"{url}/media/../../v1/jobs/{job_id}/media",
            f"{url}/media%2f..%2f..%2f{job_id}",
            f"{url}/{job_id}",
            f"{url}/{job_id}/media",
            f"{url}/transcript.json/{job_id}",
            f"/shared//{url.rpartition('/')[2]}",
            f"/shared/{job_id}/media",
            f"{url}/search?q=customer",
            f"{url}/media?job_id={job_id}&tenant=theirs&key=jobs/{job_id}/transcript.json",
        ):
            answer = visitor.get(path)
            assert answer.status_code in (401, 404) or answer.content == MP4, path  # that of the link itself


def test_a_guest_may_call_nothing_else(results: ResultsHarness) -> None:
    """Even if a route accepted the guest of a link as its caller, the guest would have none of the scopes it needs."""
    needed = [scopes for rule in RULES.values() for scopes in rule]
    assert needed and all(scopes - {Scope.EMOTIONS_READ} for scopes in needed)
    _, url = shared(results, sound=True, emotion=True)
    guest = TestClient(results.app)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for tail in ("", "/media", "/transcript.json"):
            assert guest.request(method, url + tail, json={}).status_code == 405


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_export_of_a_link_without_emotion_has_a_reading(
    results: ResultsHarness, visitor: TestClient, suffix: str
) -> None:
    job_id, url = shared(results)
    patch = {"emotion": "disgust"}
    assert results.web().patch(f"/v1/transcripts/{job_id}/utterances/0", json=patch).status_code == 200
    for query in ("", "?emotion=true", "?emotion=1&original=true"):
        text = text_of(suffix, visitor.get(f"{url}/transcript.{suffix}{query}").content)
        assert not [label for label in EMOTIONS if re.search(rf"\b{label}\b", text)], query
        if suffix == "json":
            assert {one["emotion"] for one in json.loads(text)["utterances"]} == {None}


def test_the_page_of_a_link_without_emotion_has_no_reading(results: ResultsHarness, visitor: TestClient) -> None:
    _, url = shared(results)
    page = visitor.get(f"{url}?emotion=true").text
    assert not [label for label in EMOTIONS if label in page]


@pytest.mark.parametrize("wanted", [{}, {"sound": True}, {"sound": True, "emotion": True}])
def test_the_video_with_captions_is_never_shared(
    results: ResultsHarness, visitor: TestClient, wanted: dict[str, Any]
) -> None:
    """It shows readings and the words before their correction."""
    _, url = shared(results, **wanted)
    for path in ("/transcript.mp4", "/media.mp4", "/media/captioned.mp4", "/media%2fcaptioned.mp4"):
        assert visitor.get(url + path).status_code == 404
    answer = visitor.get(f"{url}/media")
    assert b"sadness" not in answer.content and answer.status_code == (200 if wanted else 404)


def test_guessing_is_limited(results: ResultsHarness) -> None:
    visitor = TestClient(opened_app(results.database, results.blobs, per_minute=20))
    codes = [visitor.get(f"/shared/guess{number}").status_code for number in range(30)]
    assert codes[:20] == [404] * 20 and set(codes[20:]) == {429}

"""Notes by a language model: a small server on 127.0.0.1 answers as a model would, or as it should not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from shared.domain.error import AddressBlocked
from shared.domain.tenant import Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.language_model import LanguageModel, NotesSettings
from tests.exports.sample import ANA
from tests.local_server import LocalServer, Reply, serving
from tests.results.conftest import ALL, READ, ResultsHarness, opened_app

MAY_ASK = {Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE}
GOOD = {
    "summary": [{"text": "The <customer> is lost.", "utterances": [0, 99]}, {"text": "Invented.", "utterances": [99]}],
    "decisions": [],
    "actions": [{"text": "Ben leaves.", "utterances": [1]}],
}


def completion(content: str) -> Reply:
    return Reply(body=json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode())


def settings(server: LocalServer, **changed: Any) -> NotesSettings:
    return NotesSettings(url=f"{server.url}/v1/", model="small", **changed)


@contextmanager
def asked(
    harness: ResultsHarness, *replies: Reply, scopes: Any = ALL, **changed: Any
) -> Iterator[tuple[TestClient, str, LocalServer]]:
    """A service whose model is a server with these replies, and a meeting of which notes were requested."""
    with serving(*(replies or (completion(json.dumps(GOOD)),))) as server:
        app = opened_app(harness.database, harness.blobs, notes=settings(server, **changed))
        web = TestClient(app, headers={"Authorization": f"Bearer {harness.key(scopes)}"})
        job_id = harness.done().job_id
        answer = web.post(f"/v1/transcripts/{job_id}/notes")
        assert (answer.status_code, answer.json()["status"]) == (202, "running"), answer.text
        yield web, job_id, server


def written(web: TestClient, job_id: str) -> Mapping[str, Any]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found: Mapping[str, Any] = web.get(f"/v1/transcripts/{job_id}/notes").json()
        if found["status"] != "running":
            return found
        time.sleep(0.05)
    raise AssertionError("the notes are not written")


def test_notes_name_their_utterances_and_invented_ones_are_dropped(harness: ResultsHarness) -> None:
    with asked(harness, key=SecretStr("sk-test")) as (web, job_id, server):
        found = written(web, job_id)
    assert found["status"] == "done" and found["model"] == "small"
    assert found["notes"] == {
        "summary": [{"text": "The <customer> is lost.", "utterances": [0]}],
        "decisions": [],
        "actions": [{"text": "Ben leaves.", "utterances": [1]}],
    }
    (request,) = server.asked
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-test"
    body = json.loads(request.body)
    assert body["model"] == "small"
    sent = body["messages"][1]["content"].split("\n")
    assert sent[0] == sent[-1] and sent[0] in body["messages"][0]["content"] and len(sent[0]) > 32
    assert json.loads(sent[1]) == {"u": 0, "speaker": ANA, "text": "We lost the customer --> yesterday."}
    assert len(sent) == 6 + 2


def test_emotions_are_sent_only_if_the_operator_and_the_key_allow_it(harness: ResultsHarness) -> None:
    for emotion, scopes in ((False, ALL), (True, MAY_ASK)):
        with asked(harness, scopes=scopes, emotion=emotion) as (web, job_id, server):
            assert written(web, job_id)["emotion"] is False
        assert b"sadness" not in server.asked[0].body
    with asked(harness, emotion=True) as (web, job_id, server):
        assert written(web, job_id)["emotion"] is True
        assert b"sadness" in server.asked[0].body
        unread = TestClient(web.app, headers={"Authorization": f"Bearer {harness.key(READ)}"})
        assert unread.get(f"/v1/transcripts/{job_id}/notes").json()["code"] == "insufficient_scope"
        assert "small" not in unread.get(f"/meetings/{job_id}/summary").text


def test_the_page_marks_the_notes_as_made_by_software(harness: ResultsHarness) -> None:
    with asked(harness) as (web, job_id, _):
        written(web, job_id)
        page = web.get(f"/meetings/{job_id}/summary").text
        assert "Written by software (small)" in page and "It can be wrong" in page
        assert "The &lt;customer&gt; is lost." in page and "Invented" not in page
        assert f'href="/meetings/{job_id}#u1"' in page and "None was found." in page
        assert "corrected since" not in page
        web.patch(f"/v1/transcripts/{job_id}/utterances/0", json={"text": "New words."})
        assert "corrected since" in web.get(f"/meetings/{job_id}/summary").text


def test_the_page_asks_for_notes_with_a_form(harness: ResultsHarness) -> None:
    with serving(completion(json.dumps(GOOD))) as server:
        web = TestClient(opened_app(harness.database, harness.blobs, notes=settings(server)))
        web.headers["Authorization"] = f"Bearer {harness.key()}"
        job_id = harness.done().job_id
        assert f'action="/meetings/{job_id}/notes"' in web.get(f"/meetings/{job_id}/summary").text
        answer = web.post(f"/meetings/{job_id}/notes", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/meetings/{job_id}/summary#notes")
        assert written(web, job_id)["status"] == "done"
        assert web.post("/meetings/missing/notes").status_code == 404


def test_long_meetings_are_sent_in_parts(harness: ResultsHarness) -> None:
    made = harness.done().utterances
    long = tuple(one.model_copy(update={"text": "word " * 300}) for one in made)
    with serving(completion(json.dumps(GOOD))) as server:
        app = opened_app(harness.database, harness.blobs, notes=settings(server, part_characters=2000))
        web = TestClient(app, headers={"Authorization": f"Bearer {harness.key()}"})
        job_id = harness.done(published=harness.done().model_copy(update={"utterances": long})).job_id
        web.post(f"/v1/transcripts/{job_id}/notes")
        found = written(web, job_id)
    assert len(server.asked) == 6
    # Each answer may rest only on the utterances of its own part.
    assert [one["utterances"] for one in found["notes"]["summary"]] == [[0]]
    assert [one["utterances"] for one in found["notes"]["actions"]] == [[1]]


def hanging(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=500, body=b"secret of the server"), "The server returned status 500."),
        (Reply(status=302, headers={"location": "http://127.0.0.1:1/"}), "The server returned status 302."),
        (Reply(body=b"<html>"), "The language model's server sent an invalid answer."),
        (Reply(body=b'{"choices": []}'), "The language model's server sent an invalid answer."),
        (Reply(body=b" " * (2 << 20)), "The file is larger than 1048576 bytes."),
        (completion("I cannot do that."), "The language model's answer does not have the requested form."),
        (completion('{"summary": ["text"]}'), "The language model's answer does not have the requested form."),
        (Reply(raw=hanging), "The server did not respond in time."),
    ],
)
def test_a_failure_is_kept_and_can_be_repeated(harness: ResultsHarness, reply: Reply, error: str) -> None:
    with asked(harness, reply, completion(json.dumps(GOOD)), timeout_seconds=1.5) as (web, job_id, _):
        found = written(web, job_id)
        assert (found["status"], found["error"], found["notes"]) == ("failed", error, None)
        assert error.replace("'", "&#39;") in web.get(f"/meetings/{job_id}/summary").text
        assert web.post(f"/v1/transcripts/{job_id}/notes").status_code == 202
        assert written(web, job_id)["status"] == "done"


def test_without_an_address_there_are_no_notes(harness: ResultsHarness) -> None:
    job_id = harness.done().job_id
    path = f"/v1/transcripts/{job_id}/notes"
    assert harness.web().post(path).json()["code"] == "state_conflict"
    assert harness.web().get(path).status_code == 404
    assert "language model" not in harness.web().get(f"/meetings/{job_id}/summary").text


def test_requests_are_in_the_audit_trail_without_content(harness: ResultsHarness) -> None:
    with asked(harness) as (web, job_id, _):
        written(web, job_id)
    entries = SqlAuditLog(harness.database).list("ours").items
    (requested,) = [one for one in entries if one.action == "notes.requested"]
    assert requested.subject == job_id and dict(requested.details) == {"model": "small", "emotion": False}
    assert "notes.read" in {one.action for one in entries} and "customer" not in str(entries)


def test_another_tenant_neither_asks_nor_reads(harness: ResultsHarness) -> None:
    with asked(harness) as (web, job_id, server):
        written(web, job_id)
        other = TestClient(web.app, headers={"Authorization": f"Bearer {harness.key(ALL, 'theirs')}"})
        assert other.post(f"/v1/transcripts/{job_id}/notes").status_code == 404
        assert other.get(f"/v1/transcripts/{job_id}/notes").status_code == 404
    assert len(server.asked) == 1


def test_an_address_that_is_no_url_is_refused_at_the_start() -> None:
    for url in ("127.0.0.1:11434", "file:///etc/passwd", "http://user:secret@127.0.0.1:11434/v1"):
        with pytest.raises(AddressBlocked):
            LanguageModel(NotesSettings(url=url))

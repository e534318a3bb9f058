"""Corrections are shown in every view, can be switched off, and record their author."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.results.correction_writer import ATTEMPTS
from services.results.corrections import _correct
from shared.domain.correction import Change, CorrectedField, Correction
from shared.domain.edit import Rename
from shared.domain.error import PreconditionFailed
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.exports.formats import FORMATS
from shared.infra.checks import ReadinessCheck
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.parsed_transcripts import ParsedTranscripts
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.authenticator import Caller
from tests.exports.documents import text_of
from tests.exports.sample import ANA
from tests.results.conftest import ALL, FEEL, READ, ResultsHarness


def at(job_id: str, view: str = "") -> str:
    return f"/v1/transcripts/{job_id}{view}"


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_view_shows_corrections_and_the_original_on_request(harness: ResultsHarness, suffix: str) -> None:
    made = harness.done()
    web, path = harness.web(), at(made.job_id, f".{suffix}")
    before = web.get(path)
    assert web.patch(at(made.job_id, "/speakers/S1"), json={"name": "Zarathustra"}).status_code == 200
    assert web.patch(at(made.job_id, "/utterances/0"), json={"text": "Zoologists rejoice."}).status_code == 200
    after = web.get(path)
    assert after.headers["etag"] != before.headers["etag"]
    text = text_of(suffix, after.content)
    assert "Zarathustra" in text or suffix == "ctm"  # ctm has no speakers
    assert "rejoice" in text or suffix == "rttm"  # rttm has no words
    original = web.get(path, params={"original": True})
    assert (original.content, original.headers["etag"]) == (before.content, before.headers["etag"])


def test_a_correction_records_author_change_and_time(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    answer = web.patch(at(made.job_id, "/utterances/0"), json={"emotion": "joy", "speaker": "S2"})
    assert (answer.json()["emotion"]["label"], answer.json()["speaker"]) == ("joy", "S2")
    assert answer.headers["etag"] == web.get(at(made.job_id)).headers["etag"]
    name = web.patch(at(made.job_id, "/speakers/S1"), json={"name": "  Anna\n Maria "})
    assert name.json()["name"] == "Anna Maria"
    items = web.get(at(made.job_id, "/corrections")).json()["items"]
    assert [(one["number"], one["field"], one["target"], one["old"], one["new"]) for one in items] == [
        (1, "emotion", "0", "sadness", "joy"),
        (2, "speaker", "0", "S1", "S2"),
        (3, "name", "S1", ANA, "Anna Maria"),
    ]
    assert {one["at"] for one in items} == {"2026-11-02T12:00:00Z"}
    assert all(one["key_id"] for one in items)
    lines = [line for line in SqlAuditLog(harness.database).list("ours").items if line.action == "transcript.corrected"]
    assert {json.dumps(line.details) for line in lines} == {
        '{"target": "0", "fields": ["emotion", "speaker"]}',
        '{"target": "S1", "fields": ["name"]}',
    }


def test_a_corrected_emotion_counts_as_a_reading(harness: ResultsHarness) -> None:
    made = harness.done()
    before = harness.web(READ).get(at(made.job_id))
    harness.web().patch(at(made.job_id, "/utterances/0"), json={"emotion": "disgust"})
    assert "disgust" in harness.web(FEEL).get(at(made.job_id, ".txt")).text
    for view in ("", ".csv", ".md", "/summary", "/corrections"):
        assert "disgust" not in harness.web(READ).get(at(made.job_id, view)).text
    after = harness.web(READ).get(at(made.job_id))
    assert after.headers["etag"] == before.headers["etag"]  # the ETag does not reveal the change either
    poor = harness.web(ALL - {"emotions:read"})
    refused = poor.patch(at(made.job_id, "/utterances/0"), json={"emotion": "joy"})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    shown = poor.patch(at(made.job_id, "/utterances/0"), json={"text": "Plain."})
    assert (shown.json()["text"], shown.json()["emotion"]) == ("Plain.", None)


def test_a_read_only_key_cannot_correct(harness: ResultsHarness) -> None:
    made = harness.done()
    for scopes in (FEEL, ALL - {"transcripts:read"}):
        refused = harness.web(scopes).patch(at(made.job_id, "/speakers/S1"), json={"name": "x"})
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_invalid_corrections_are_rejected(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    for path, body, status, code in (
        ("/speakers/S9", {"name": "x"}, 404, "not_found"),
        ("/speakers/S1", {"name": " \x07 "}, 422, "invalid_request"),
        ("/speakers/S1", {"name": "x" * 201}, 422, "invalid_request"),
        ("/speakers/S1", {"title": "x"}, 422, "invalid_request"),
        ("/utterances/99", {"text": "x"}, 404, "not_found"),
        ("/utterances/-1", {"text": "x"}, 422, "invalid_request"),
        ("/utterances/0", {}, 422, "invalid_request"),
        ("/utterances/0", {"speaker": "S9"}, 422, "invalid_request"),
        ("/utterances/0", {"emotion": "rage"}, 422, "invalid_request"),
        ("/utterances/1", {"emotion": "joy"}, 409, "no_emotion_reading"),
    ):
        answer = web.patch(at(made.job_id, path), json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (path, body)
    large = web.patch(at(made.job_id, "/utterances/0"), json={"text": "x" * 200_000})
    assert (large.status_code, large.json()["code"]) == (413, "upload_too_large")
    endless = web.patch(at(made.job_id, "/utterances/0"), content=iter([b"x" * 99_999] * 3))
    assert (endless.status_code, endless.json()["code"]) == (413, "upload_too_large")
    assert web.get(at(made.job_id, "/corrections")).json() == {"items": []}


def test_a_correction_of_an_older_version_is_rejected(harness: ResultsHarness) -> None:
    made = harness.done()
    web, poor = harness.web(), harness.web(ALL - {"emotions:read"})
    seen, seen_without = (who.get(at(made.job_id)).headers["etag"] for who in (web, poor))
    first = web.patch(at(made.job_id, "/utterances/0"), json={"text": "One."}, headers={"If-Match": seen})
    assert first.status_code == 200
    for old in (seen, seen_without, f"W/{first.headers['etag']}", '"rubbish"', "rubbish"):
        late = web.patch(at(made.job_id, "/utterances/0"), json={"text": "Two."}, headers={"If-Match": old})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    fresh = poor.get(at(made.job_id)).headers["etag"]
    for new in (fresh, "*", f'"x", {first.headers["etag"]}'):
        answer = poor.patch(at(made.job_id, "/utterances/0"), json={"text": "One."}, headers={"If-Match": new})
        assert answer.status_code == 200
    assert len(web.get(at(made.job_id, "/corrections")).json()["items"]) == 1  # repeating a correction adds none


def test_concurrent_corrections_build_on_each_other(harness: ResultsHarness) -> None:
    made = harness.done()
    with harness.web() as web, ThreadPoolExecutor(4) as pool:  # in one event loop, as a server has it
        answers = list(
            pool.map(
                lambda number: web.patch(at(made.job_id, "/utterances/0"), json={"text": f"Take {number}."}), range(4)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    items = web.get(at(made.job_id, "/corrections")).json()["items"]
    texts = [made.utterances[0].text, *(one["new"] for one in items)]
    assert [one["old"] for one in items] == texts[:-1]  # each records the previous text, so none was lost
    assert len(items) == 4


def test_search_finds_corrected_text_and_not_the_original(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    web.patch(at(made.job_id, "/utterances/0"), json={"text": "We won it all.", "emotion": "joy"})
    web.patch(at(made.job_id, "/speakers/S1"), json={"name": "Anna"})

    def found(**query: str) -> list[int]:
        return [hit["utterance"] for hit in web.get("/v1/search", params=query).json()["items"]]

    assert (found(q="won"), found(q="lost"), found(emotion="joy")) == ([0], [], [0])
    assert found(speaker="anna") == [0, 3]


class ConcurrentCorrections(SqlCorrectionStore):
    """Another caller corrects between reading and writing, a current number of times."""

    times = 0

    def add(
        self,
        tenant: str,
        job_id: str,
        changes: Sequence[Change],
        *,
        after: int,
        before: Transcript,
        shown: Transcript,
        entry: AuditEntry,
    ) -> tuple[Correction, ...]:
        if self.times > 0:
            self.times -= 1
            other = (Change(field=CorrectedField.NAME, target="S2", old="", new=f"Other {self.times}"),)
            super().add(tenant, job_id, other, after=after, before=before, shown=shown, entry=entry)
        return super().add(tenant, job_id, changes, after=after, before=before, shown=shown, entry=entry)


def test_a_concurrent_correction_is_retried_unless_if_match_is_given(harness: ResultsHarness) -> None:
    made = harness.done()
    store = ConcurrentCorrections(harness.database)
    reader = TranscriptReader(
        SqlJobStore(harness.database),
        harness.blobs,
        store,
        SqlTranscriptIndex(harness.database),
        SqlAuditLog(harness.database),
        harness.database.clock,
        ReadinessCheck("storage", harness.blobs.probe),
        ParsedTranscripts(),
    )
    caller = Caller(tenant="ours", key_id="k", scopes=frozenset(ALL))

    def name(new: str, if_match: str | None = None) -> str:
        plan = _correct(reader, caller, made.job_id, if_match, [Rename(speaker="S1", name=new)])
        return plan.transcript.names["S1"]

    store.times = ATTEMPTS - 1
    assert name("Anna") == "Anna"
    for times, condition in ((1, "*"), (ATTEMPTS, None)):
        store.times = times
        with pytest.raises(PreconditionFailed):
            name("Zoe", condition)
    assert reader.read(caller, made.job_id).transcript.names["S1"] == "Anna"

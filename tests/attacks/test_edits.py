"""Huge and absurd edits: each is refused with a stable code, in bounded time, and leaves the transcript readable."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.correction import MAX_CORRECTIONS, Change, CorrectedField
from shared.domain.edit import Accept, Operation, Replace, SetSpeaker
from shared.domain.error import TooManyCorrections
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.infra.database.corrections import SqlCorrectionStore
from tests.editing import edited
from tests.exports.sample import transcript
from tests.fakes import utterance
from tests.results.conftest import ResultsHarness

BUSY_SECONDS = 30.0  # processor time of this thread's process; a quadratic attempt takes minutes


def long_meeting(text: str = "one two three four", size: int = 5000) -> Transcript:
    return transcript(tuple(utterance(n, n, n + 1, f"S{n % 2 + 1}", text) for n in range(size)))


def edit(results: ResultsHarness, job_id: str, *operations: dict[str, Any]) -> Any:
    return results.web().post(f"/v1/transcripts/{job_id}/edits", json={"operations": operations})


@pytest.mark.parametrize(
    ("operations", "status", "code"),
    [
        ([{"op": "replace", "find": "o", "replacement": "x" * 1000}], 409, "too_many_corrections"),
        ([{"op": "split", "utterance": n, "word": 1} for n in range(1000)], 422, "invalid_request"),
        ([{"op": "join", "utterance": 0}] * 1000, 422, "invalid_request"),
        ([{"op": "speaker", "utterances": [0], "name": "x"}] * 1000, 422, "invalid_request"),
        ([{"op": "join", "utterance": 0}] * 1001, 422, "invalid_request"),
        ([{"op": "text", "utterance": 0, "text": "x" * 20_001}], 422, "invalid_request"),
        ([{"op": "text", "utterance": 0, "text": "x" * 19_000}] * 10, 413, "upload_too_large"),
        ([{"op": "speaker", "utterances": list(range(10_001)), "speaker": "S1"}], 422, "invalid_request"),
        ([{"op": "accept", "utterance": 0, "words": [10**18]}], 422, "invalid_request"),
    ],
)
def test_a_huge_edit_is_refused(results: ResultsHarness, operations: Any, status: int, code: str) -> None:
    made = results.done(published=long_meeting())
    began = time.process_time()
    answer = edit(results, made.job_id, *operations)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert time.process_time() - began < BUSY_SECONDS
    assert results.web().get(f"/v1/transcripts/{made.job_id}/corrections").json() == {"items": []}


def test_the_largest_allowed_edit_takes_bounded_time(results: ResultsHarness) -> None:
    made = results.done(published=long_meeting())
    began = time.process_time()
    everyone = {"op": "speaker", "utterances": list(range(5000)), "name": "Zoe"}
    replaced = {"op": "replace", "find": "TWO", "replacement": "2"}
    assert edit(results, made.job_id, replaced, everyone).status_code == 200
    assert results.web().get(f"/v1/transcripts/{made.job_id}.vtt").text.count("Zoe") == 5000
    assert time.process_time() - began < BUSY_SECONDS


def test_a_pattern_cannot_stall_the_service(results: ResultsHarness) -> None:
    made = results.done(published=long_meeting("a" * 19_000, size=50))
    began = time.process_time()
    answer = edit(results, made.job_id, {"op": "replace", "find": "a" * 199 + "b", "replacement": "(a+)+$"})
    assert answer.status_code == 200
    assert edit(results, made.job_id, {"op": "replace", "find": "(a+)+$", "replacement": ""}).status_code == 200
    assert time.process_time() - began < BUSY_SECONDS


@pytest.mark.parametrize(
    "operations",
    [
        [SetSpeaker(utterances=tuple(range(2000)), name="N")] * 20,
        [Accept(utterance=0, words=(n,)) for n in range(1000)],
        [Replace(find="a" * 199 + "b", replacement="", utterances=tuple(range(1, 2000)))] * 1000,
    ],
    ids=["speaker", "accept", "replace"],
)
def test_many_operations_do_not_copy_or_search_the_text_each_time(operations: list[Operation]) -> None:
    long = utterance(0, 0, 1, "S1", "a " * 50_000)
    given = transcript((long, *(utterance(n, n, n + 1, "S1", "aaa " * 100) for n in range(1, 2000))))
    began = time.process_time()
    with suppress(TooManyCorrections):
        edited(given, *operations)
    assert time.process_time() - began < BUSY_SECONDS


def test_a_full_transcript_accepts_no_more_corrections(results: ResultsHarness) -> None:
    made = results.done(published=long_meeting(size=2))
    change = Change(field=CorrectedField.TEXT, target="0", old="one two three four", new="one two three 4")
    entry = AuditEntry(
        tenant="ours", at=datetime.now(UTC), key_id="k", action="transcript.corrected", subject=made.job_id
    )
    full = [change] * MAX_CORRECTIONS
    SqlCorrectionStore(results.database).add("ours", made.job_id, full, after=0, before=made, shown=made, entry=entry)
    began = time.process_time()
    web = results.web()
    for answer in (
        edit(results, made.job_id, {"op": "text", "utterance": 0, "text": "x"}),
        web.patch(f"/v1/transcripts/{made.job_id}/speakers/S1", json={"name": "x"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_corrections")
    assert web.get(f"/v1/transcripts/{made.job_id}").status_code == 200
    assert time.process_time() - began < BUSY_SECONDS

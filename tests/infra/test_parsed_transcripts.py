"""The cache of parsed transcripts: its key, its size limit, and the removal of unused transcripts."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.exports.document import render_json
from shared.infra.parsed_transcripts import ParsedTranscripts
from tests.exports.sample import transcript


def document(job_id: str) -> bytes:
    return render_json(transcript().model_copy(update={"job_id": job_id}), emotion=True)


def test_the_same_bytes_are_parsed_once_and_other_bytes_again() -> None:
    parsed, first = ParsedTranscripts(), document("a" * 32)
    kept = parsed.parse(first)
    assert kept.job_id == "a" * 32
    assert parsed.parse(bytes(first)) is kept
    assert parsed.parse(document("b" * 32)).job_id == "b" * 32
    with pytest.raises(ValidationError):
        parsed.parse(first[: len(first) // 2])


def test_the_last_used_transcripts_are_kept_within_the_limit() -> None:
    documents = [document(letter * 32) for letter in "abc"]
    parsed = ParsedTranscripts(max_bytes=2 * len(documents[0]))
    first, second = parsed.parse(documents[0]), parsed.parse(documents[1])
    assert parsed.parse(documents[0]) is first
    parsed.parse(documents[2])
    assert parsed.parse(documents[0]) is first
    assert parsed.parse(documents[1]) is not second
    small = ParsedTranscripts(max_bytes=len(documents[0]) - 1)
    assert small.parse(documents[0]) is not small.parse(documents[0])


def test_unused_transcripts_are_removed() -> None:
    parsed, content = ParsedTranscripts(), document("a" * 32)
    kept = parsed.parse(content)
    parsed.forget_unused(60.0)
    assert parsed.parse(content) is kept
    parsed.forget_unused(0.0)
    assert parsed.parse(content) is not kept

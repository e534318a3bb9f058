"""`GET /v1/search`: hits, permissions, and escaped markup."""

from __future__ import annotations

from shared.infra.database.jobs import SqlJobStore
from tests.results.conftest import FEEL, READ, ResultsHarness


def test_a_hit_contains_position_and_text(harness: ResultsHarness) -> None:
    made = harness.done()
    answer = harness.web(READ).get("/v1/search", params={"q": '"left there"'})
    assert answer.json() == {
        "items": [
            {
                "job_id": made.job_id,
                "utterance": 1,
                "start": 3.5,
                "end": 6.0,
                "speaker": "S2",
                "name": "Ben Müller",
                "text": 'She said "no" & left <there>\n\nat once.',
                "highlighted": "She said &quot;no&quot; &amp; <mark>left</mark> &lt;<mark>there</mark>&gt;\n\nat once.",
            }
        ],
        "next_cursor": None,
    }


def test_the_emotion_filter_needs_the_emotion_scope(harness: ResultsHarness) -> None:
    harness.done()
    found = harness.web(FEEL).get("/v1/search", params={"emotion": "sadness", "speaker": "S3"}).json()["items"]
    assert [hit["utterance"] for hit in found] == [2, 4]
    assert "sadness" not in str(found)
    refused = harness.web(READ).get("/v1/search", params={"emotion": "sadness", "q": "customer"})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_results_are_paged(harness: ResultsHarness) -> None:
    made = [harness.done().job_id, harness.done().job_id]
    web = harness.web(READ)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(2):
        query = {"q": "customer", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = web.get("/v1/search", params=query).json()
        seen += [hit["job_id"] for hit in page["items"]]
        cursor = page["next_cursor"]
    assert (sorted(seen), cursor) == (sorted(made), None)


def test_an_erased_transcript_is_not_found(harness: ResultsHarness) -> None:
    made = harness.done()
    SqlJobStore(harness.database).erase("ours", made.job_id, by="k", reason="asked")
    assert harness.web().get("/v1/search", params={"q": "customer"}).json()["items"] == []


def test_an_invalid_query_is_rejected_and_not_repeated(harness: ResultsHarness) -> None:
    web = harness.web()
    for query in (
        {},
        {"q": "--"},
        {"q": "x" * 201},
        {"emotion": "rage"},
        {"q": "a", "cursor": "zz"},
        {"q": "a", "limit": 0},
    ):
        answer = web.get("/v1/search", params=query)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), query
        assert "rage" not in answer.text and "xxx" not in answer.text

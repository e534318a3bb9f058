"""Edits of several corrections: one undoable step, merged with the edits of others, visible in every view."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import Response
from sqlalchemy import select

from shared.exports.formats import FORMATS
from shared.infra.database.schema_transcripts import search_utterances
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.transcript_reader import open_transcripts
from shared.infra.web.authenticator import Caller
from tests.exports.documents import text_of
from tests.results.conftest import ALL, ResultsHarness


def at(job_id: str, view: str = "/edits") -> str:
    return f"/v1/transcripts/{job_id}{view}"


def edit(web: Any, job_id: str, *operations: dict[str, Any], base: int | None = None) -> Response:
    answer: Response = web.post(at(job_id), json={"operations": operations, "base": base})
    return answer


RESHAPED = (
    {"op": "split", "utterance": 0, "word": 3},
    {"op": "speaker", "utterances": [6], "name": "Zoe"},
    {"op": "merge", "speaker": "S3", "into": "S2"},
)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_export_shows_splits_new_speakers_and_merges(harness: ResultsHarness, suffix: str) -> None:
    made = harness.done()
    web, path = harness.web(), at(made.job_id, f".{suffix}")
    before = web.get(path)
    assert edit(web, made.job_id, *RESHAPED).status_code == 200
    after = web.get(path)
    assert before.status_code == after.status_code == 200
    if suffix != "ctm":  # ctm has words only
        texts_before, texts_after = (text_of(suffix, one.content) for one in (before, after))
        assert "Zoe" in texts_after and "Zoe" not in texts_before
        assert "SUM(A1)" in texts_before and "SUM(A1)" not in texts_after
    if suffix == "json":
        texts = [(one["index"], one["speaker"], one["text"]) for one in after.json()["utterances"][:2]]
        assert texts == [(0, "S1", "We lost the"), (6, "S4", "customer --> yesterday.")]
    assert web.post(at(made.job_id, "/edits/undo"), json={}).status_code == 200
    assert web.get(path).content == before.content  # also the ETag is that of the same content
    assert web.get(path).headers["etag"] == before.headers["etag"]


def test_search_finds_split_utterances_under_their_new_speaker(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    edit(web, made.job_id, *RESHAPED)

    def found(**query: str) -> list[int]:
        return [hit["utterance"] for hit in web.get("/v1/search", params=query).json()["items"]]

    assert (found(q="yesterday"), found(q="lost yesterday"), found(speaker="zoe")) == ([6], [], [6])
    edit(web, made.job_id, {"op": "speaker", "utterances": [6], "speaker": "S1"}, {"op": "join", "utterance": 0})
    assert (found(q="lost yesterday"), found(speaker="zoe")) == ([0], [])


def test_the_index_after_edits_is_the_one_of_the_shown_transcript(harness: ResultsHarness) -> None:
    """An edit writes only the rows that differ."""
    made = harness.done()
    web = harness.web()
    columns = ("position", "start", "end", "speaker", "name", "folded_name", "text", "folded", "emotion")
    query = select(*(search_utterances.c[name] for name in columns)).order_by(search_utterances.c.position)

    def rows() -> list[tuple[Any, ...]]:
        with harness.database.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]

    steps: tuple[tuple[dict[str, Any], ...] | str, ...] = (
        RESHAPED,
        ({"op": "rename", "speaker": "S1", "name": "Anna"}, {"op": "emotion", "utterance": 2, "emotion": "joy"}),
        ({"op": "text", "utterance": 1, "text": "Something else"}, {"op": "join", "utterance": 0}),
        "undo",
        "redo",
        "undo",
    )
    for step in steps:
        before = rows()
        answer = (
            web.post(at(made.job_id, f"/edits/{step}"), json={})
            if isinstance(step, str)
            else edit(web, made.job_id, *step)
        )
        assert answer.status_code == 200, answer.text
        updated = rows()
        assert updated != before
        caller = Caller(tenant="ours", key_id="k", scopes=frozenset(ALL))
        shown = open_transcripts(harness.database, harness.blobs).read(caller, made.job_id).transcript
        SqlTranscriptIndex(harness.database).index_transcript("ours", shown)
        assert rows() == updated


def test_an_edit_is_one_step_with_what_changed(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    first = edit(web, made.job_id, *RESHAPED, base=0).json()
    assert (first["revision"], first["undo"], first["redo"], first["removed"]) == (4, True, False, [])
    changed = {one["index"]: one for one in first["utterances"]}
    assert sorted(changed) == [0, 2, 4, 6]
    assert (changed[6]["words"], len(changed[6]["word_starts"])) == (["customer", "-->", "yesterday."], 3)
    assert (changed[6]["emotion"], changed[0]["speaker"]) == ("sadness", "S1")
    assert [one["name"] for one in first["speakers"]][2:] == ["Zoe"]
    items = web.get(at(made.job_id, "/corrections")).json()["items"]
    assert [(one["field"], one["target"], one["new"], one["edit"]) for one in items] == [
        ("split", "0", "3 6", 1),
        ("name", "S4", "Zoe", 1),
        ("speaker", "6", "S4", 1),
        ("merged", "S3", "S2", 1),
    ]
    undone = web.post(at(made.job_id, "/edits/undo"), json={"base": 4}).json()
    assert (undone["revision"], undone["undo"], undone["redo"], undone["removed"]) == (5, False, True, [6])
    redone = web.post(at(made.job_id, "/edits/redo"), json={"base": 5}).json()
    assert (redone["revision"], redone["utterances"]) == (6, first["utterances"])
    again = web.post(at(made.job_id, "/edits/redo"), json={})
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_undo")


def test_edits_of_different_utterances_merge_and_others_conflict(harness: ResultsHarness) -> None:
    made = harness.done()
    mine, theirs = harness.web(), harness.web()
    assert edit(theirs, made.job_id, {"op": "text", "utterance": 3, "text": "Theirs"}, base=0).status_code == 200
    merged = edit(mine, made.job_id, {"op": "text", "utterance": 0, "text": "Mine"}, base=0).json()
    assert [one["text"] for one in merged["utterances"]] == ["Mine", "Theirs"]  # also what the others did
    refused = edit(mine, made.job_id, {"op": "text", "utterance": 3, "text": "Mine"}, base=0)
    assert (refused.status_code, refused.json()["code"]) == (409, "edit_conflict")
    assert "utterance 3" in refused.json()["detail"]
    stored = mine.get(at(made.job_id), params={"base": 0}).json()
    assert [one["text"] for one in stored["utterances"]] == ["Mine", "Theirs"]
    assert edit(mine, made.job_id, {"op": "text", "utterance": 3, "text": "Mine"}, base=stored["revision"]).is_success
    blocked = theirs.post(at(made.job_id, "/edits/undo"), json={})
    assert (blocked.status_code, blocked.json()["code"]) == (409, "edit_conflict")
    assert mine.post(at(made.job_id, "/edits/undo"), json={}).is_success  # each undoes only the own edits
    assert theirs.post(at(made.job_id, "/edits/undo"), json={}).is_success
    texts = [one["text"] for one in mine.get(at(made.job_id, "")).json()["utterances"]]
    assert (texts[0], texts[3]) == ("Mine", made.utterances[3].text)


def test_an_undone_emotion_stays_hidden(harness: ResultsHarness) -> None:
    made = harness.done()
    poor = harness.web(ALL - {"emotions:read"})
    web = harness.web()
    assert edit(web, made.job_id, {"op": "emotion", "utterance": 0, "emotion": "joy"}).is_success
    assert web.post(at(made.job_id, "/edits/undo"), json={}).is_success
    assert poor.get(at(made.job_id, "/corrections")).json() == {"items": []}
    assert (
        edit(poor, made.job_id, {"op": "text", "utterance": 0, "text": "x"}).json()["utterances"][0]["emotion"] is None
    )
    refused = edit(poor, made.job_id, {"op": "emotion", "utterance": 0, "emotion": "joy"})
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_text_is_cleaned_before_it_is_stored(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    shown = edit(
        web,
        made.job_id,
        {"op": "text", "utterance": 0, "text": " a\x07\n b "},
        {"op": "rename", "speaker": "S1", "name": "A\u2028na"},
        {"op": "replace", "find": "b", "replacement": "c\x07"},
        {"op": "speaker", "utterances": [1], "name": " Zoe\n"},
    ).json()
    assert shown["utterances"][0]["text"] == "a c"
    assert {"Ana", "Zoe"} <= {one["name"] for one in shown["speakers"]}


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ({"op": "split", "utterance": 0, "word": 0}, 422, "invalid_request"),
        ({"op": "split", "utterance": 0, "word": 10**30}, 422, "invalid_request"),
        ({"op": "split", "utterance": 99, "word": 1}, 404, "not_found"),
        ({"op": "join", "utterance": -1}, 422, "invalid_request"),
        ({"op": "merge", "speaker": "S1", "into": "S9"}, 404, "not_found"),
        ({"op": "merge", "speaker": "S1", "into": "S1"}, 422, "invalid_request"),
        ({"op": "speaker", "utterances": [], "speaker": "S1"}, 422, "invalid_request"),
        ({"op": "speaker", "utterances": [0], "name": "\x07"}, 422, "invalid_request"),
        ({"op": "emotion", "utterance": 1, "emotion": "joy"}, 409, "no_emotion_reading"),
        ({"op": "accept", "utterance": 0, "words": [999]}, 422, "invalid_request"),
        ({"op": "replace", "find": "", "replacement": "x"}, 422, "invalid_request"),
        ({"op": "drop"}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
    ],
)
def test_invalid_edits_change_nothing(
    harness: ResultsHarness, operation: dict[str, Any], status: int, code: str
) -> None:
    made = harness.done()
    web = harness.web()
    answer = edit(web, made.job_id, {"op": "text", "utterance": 0, "text": "x"}, operation)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert edit(web, made.job_id, base=0).status_code == 422
    for path in (at(made.job_id), at(made.job_id, "/edits/undo")):
        late = web.post(
            path, json={"operations": [{"op": "join", "utterance": 0}], "base": 7} if path[-1] == "s" else {"base": 7}
        )
        assert (late.status_code, late.json()["code"]) == (422, "invalid_request")
    assert web.get(at(made.job_id)).json()["revision"] == 0


def test_corrected_emotions_are_exported_as_clips(harness: ResultsHarness) -> None:
    made = harness.done()
    web = harness.web()
    path = at(made.job_id, "/clips.csv")
    assert web.get(path).text == "path,label,speaker,text,dialogue,start,end\r\n"
    edit(
        web,
        made.job_id,
        {"op": "emotion", "utterance": 0, "emotion": "joy"},
        {"op": "emotion", "utterance": 3, "emotion": "fear"},
        {"op": "text", "utterance": 0, "text": "We won, didn't we?"},
        {"op": "split", "utterance": 0, "word": 2},
        {"op": "rename", "speaker": "S1", "name": "Ana"},
    )
    edit(web, made.job_id, {"op": "emotion", "utterance": 4, "emotion": "joy"})
    web.post(at(made.job_id, "/edits/undo"), json={})
    rows = [line.split(",") for line in web.get(path).text.replace('"', "").splitlines()[1:]]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        (f"{made.job_id}/0.wav", "joy", "Ana"),
        (f"{made.job_id}/6.wav", "joy", "Ana"),
        (f"{made.job_id}/3.wav", "fear", "Ana"),
    ]
    edit(web, made.job_id, {"op": "join", "utterance": 6})  # the emotions differ, so nobody chose one for the whole
    assert [line.split(",")[1] for line in web.get(path).text.splitlines()[1:]] == ["joy"]
    refused = harness.web(ALL - {"emotions:read"}).get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")

"""Contract tests of search and corrections: isolation of tenants, atomic changes, and complete erasure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.domain.correction import Change, CorrectedField
from shared.domain.edit import Rename
from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest, NotFound, PreconditionFailed
from shared.domain.search import SearchQuery
from shared.domain.tenant import AuditEntry
from shared.domain.transcript import Transcript
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.corrections import SqlCorrectionStore
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from tests.editing import planned
from tests.exports.sample import transcript
from tests.fakes import utterance
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job


@pytest.fixture
def index(database: Database) -> SqlTranscriptIndex:
    return SqlTranscriptIndex(database)


def running(database: Database, tenant: str = "ours") -> str:
    return SqlJobStore(database).add(tenant, new_job(ONE_STAGE)).id


def finish(database: Database, job_id: str) -> None:
    work = SqlWorkStore(database)
    work.publish(held(work, job_id, "publish"), seconds=1)


def done(database: Database, given: Transcript, tenant: str = "ours") -> Transcript:
    """Creates a finished job with this transcript."""
    made = given.model_copy(update={"job_id": running(database, tenant)})
    SqlTranscriptIndex(database).index_transcript(tenant, made)
    finish(database, made.job_id)
    return made


def saying(*texts: str) -> Transcript:
    said = [utterance(number, float(number), number + 1.0, "S1", one) for number, one in enumerate(texts)]
    return transcript(tuple(said))


def search(
    index: SqlTranscriptIndex, words: str | None = None, tenant: str = "ours", **only: object
) -> list[tuple[str, int]]:
    wanted = SearchQuery.parse(words, **{"emotion": None, "speaker": None, "job": None, **only})  # type: ignore[arg-type]
    return [(found.job_id, found.utterance) for found in index.search(tenant, wanted).items]


def positions(index: SqlTranscriptIndex, words: str | None = None, **only: Any) -> list[int]:
    return [position for _, position in search(index, words, **only)]


def test_search_within_a_time(database: Database, index: SqlTranscriptIndex, clock: MovableClock) -> None:
    first = clock.now
    done(database, saying("Hello."))
    clock.move(timedelta(days=2))
    done(database, saying("Nothing.", "Hello again."))
    day = timedelta(days=1)
    assert positions(index, "hello", created_from=first, created_before=first + day) == [0]
    assert positions(index, "hello", created_from=first + day) == [1]
    assert positions(index, "hello", created_before=first) == []


def test_search_ignores_case_accents_and_word_order(database: Database, index: SqlTranscriptIndex) -> None:
    done(
        database, saying("Le CAFÉ est là.", "We don't know", "know we don t", "会議を始めます", "x AND y OR z* NEAR(q)")
    )
    assert positions(index, "cafe") == [0]
    assert positions(index, "LÀ café") == [0]
    assert positions(index, "know") == [1, 2]
    assert positions(index, '"we don\'t know"') == [1]
    assert positions(index, "don't we") == [1, 2]
    assert positions(index, "会議") == [3]
    assert positions(index, "議会") == []
    assert positions(index, "AND OR near") == [4]
    assert positions(index, "caf") == []
    for hostile in ('"', "'; DROP TABLE jobs; --", "NOT", "a:b", "((", "folded:x", "*"):
        try:
            search(index, hostile)
        except InvalidRequest:
            continue


def test_search_is_filtered_by_emotion_speaker_and_job(database: Database, index: SqlTranscriptIndex) -> None:
    first = done(database, transcript())
    assert positions(index, emotion=Emotion.SADNESS) == [0, 2, 3, 4, 5]
    assert positions(index, emotion=Emotion.JOY) == []
    assert positions(index, speaker="S2") == positions(index, speaker="ben muller") == [1, 5]
    assert positions(index, "left", speaker="S2") == [1]
    assert positions(index, speaker="S9") == []
    assert positions(index, job=first.job_id, speaker="S1") == [0, 3]
    assert positions(index, job="other") == []


def test_search_finds_only_finished_jobs_of_the_own_tenant(database: Database, index: SqlTranscriptIndex) -> None:
    theirs = done(database, saying("plain words"), "theirs")
    job_id = running(database)
    index.index_transcript("ours", saying("plain words").model_copy(update={"job_id": job_id}))
    assert search(index, "words") == []
    finish(database, job_id)
    assert search(index, "words") == [(job_id, 0)]
    assert search(index, "words", "theirs") == [(theirs.job_id, 0)]
    assert search(index, job=theirs.job_id) == []
    for unknown in (theirs.job_id, "0" * 32):
        with pytest.raises(NotFound):
            index.index_transcript("ours", saying("mine").model_copy(update={"job_id": unknown}))


def test_pages_list_every_result_once(database: Database, index: SqlTranscriptIndex, clock: MovableClock) -> None:
    expected = []
    for number in range(3):
        made = done(database, saying(*["again and again"] * 3))
        expected.append([(made.job_id, position) for position in range(3)])
        clock.move(MINUTE * (number % 2))
    query = SearchQuery.parse("again", emotion=None, speaker=None, job=None)
    seen, cursor = [], None
    for count in (2, 2, 2, 2, 1):
        page = index.search("ours", query, cursor=cursor, limit=2)
        assert len(page.items) == count
        seen += [(found.job_id, found.utterance) for found in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(seen) == sorted(found for job in expected for found in job)
    assert seen[:3] in expected
    for invalid in ("invalid", "eyJhdCI6IjIwMjYtMTEtMDJUMTI6MDA6MDBaIiwiaWQiOiJ4In0"):
        with pytest.raises(InvalidRequest):
            index.search("ours", query, cursor=invalid)


def test_indexing_again_replaces_the_utterances(database: Database, index: SqlTranscriptIndex) -> None:
    made = done(database, saying("the old words", "stay here"))
    again = saying("the new words").model_copy(update={"job_id": made.job_id})
    index.index_transcript("ours", again)
    index.index_transcript("ours", again)
    assert (positions(index, "old"), positions(index, "stay"), positions(index, "new")) == ([], [], [0])


def entry(job_id: str, clock: MovableClock) -> AuditEntry:
    return AuditEntry(
        tenant="ours", at=clock.now, key_id="k1", action="transcript.corrected", subject=job_id, details={"changes": 1}
    )


def test_corrections_are_numbered_and_update_index_and_audit_log(
    database: Database, index: SqlTranscriptIndex, clock: MovableClock
) -> None:
    store, audit_log = SqlCorrectionStore(database), SqlAuditLog(database)
    made = done(database, saying("we lost it"))
    first = planned(made, Rename(speaker="S1", name="Zoë"))
    then = made.model_copy(update={"speakers": (made.speakers[0].model_copy(update={"name": "Zoë"}),)})
    kept = store.add("ours", made.job_id, first, after=0, before=made, shown=then, entry=entry(made.job_id, clock))
    assert (kept[0].number, kept[0].key_id, kept[0].at, kept[0].old) == (1, "k1", clock.now, made.speakers[0].name)
    text_change = Change(field=CorrectedField.TEXT, target="0", old="we lost it", new="we won it")
    second = (text_change, text_change)
    for wrong in (0, 2):
        with pytest.raises(PreconditionFailed):
            store.add(
                "ours", made.job_id, second, after=wrong, before=then, shown=then, entry=entry(made.job_id, clock)
            )
    assert len(audit_log.list("ours").items) == 1  # rejected corrections are not logged
    clock.move(MINUTE)
    more = store.add("ours", made.job_id, second, after=1, before=then, shown=then, entry=entry(made.job_id, clock))
    assert store.list("ours", made.job_id) == kept + more
    assert [(one.number, one.edit) for one in kept + more] == [(1, 1), (2, 2), (3, 2)]
    assert store.list("theirs", made.job_id) == ()
    assert positions(index, speaker="zoe") == [0]
    page = audit_log.list("ours", limit=1)
    assert page.items == (entry(made.job_id, clock),)
    assert audit_log.list("ours", cursor=page.next_cursor).items[0].at == clock.now - MINUTE
    assert audit_log.list("theirs").items == ()
    with pytest.raises(NotFound):
        store.add("theirs", made.job_id, second, after=2, before=then, shown=then, entry=entry(made.job_id, clock))


def test_erasure_deletes_all_words(database: Database, index: SqlTranscriptIndex, clock: MovableClock) -> None:
    jobs, store, erasures = SqlJobStore(database), SqlCorrectionStore(database), SqlErasureStore(database)
    kept = done(database, saying("quite ordinary"))
    made = done(database, saying("xylophone marmalade"))
    change = (Change(field=CorrectedField.TEXT, target="0", old="xylophone marmalade", new="zeppelin"),)
    shown = saying("zeppelin").model_copy(update={"job_id": made.job_id})
    store.add("ours", made.job_id, change, after=0, before=made, shown=shown, entry=entry(made.job_id, clock))
    jobs.erase("ours", made.job_id, by="k1", reason="requested")
    assert search(index, "zeppelin") == []  # already hidden from the request on, before the sweep
    with pytest.raises(NotFound):
        index.index_transcript("ours", shown)
    with pytest.raises(NotFound):
        store.add("ours", made.job_id, change, after=1, before=shown, shown=shown, entry=entry(made.job_id, clock))
    clock.move(timedelta(hours=1))
    erasures.finish("ours", made.job_id)
    with database.reading() as connection:
        names = ["corrections", "search_utterances"]
        if connection.dialect.name == "sqlite":
            names.append("search_words_data")
        remaining = str([connection.execute(text(f"SELECT * FROM {name}")).all() for name in names])  # noqa: S608
    for word in ("xylophone", "marmalade", "zeppelin"):
        assert word not in remaining
    assert search(index, "ordinary") == [(kept.job_id, 0)]


def test_a_correction_writes_only_the_rows_that_differ(
    database: Database, index: SqlTranscriptIndex, clock: MovableClock
) -> None:
    store = SqlCorrectionStore(database)
    made = done(database, saying("the first", "the second", "the third"))
    other = done(database, saying("elsewhere"))

    def rows() -> dict[tuple[str, int], tuple[int, str]]:
        columns = "job_id, position, id, text"
        with database.reading() as connection:
            found = connection.execute(text(f"SELECT {columns} FROM search_utterances")).all()  # noqa: S608
        return {(row[0], row[1]): (row[2], row[3]) for row in found}

    before = rows()
    change = (Change(field=CorrectedField.TEXT, target="1", old="the second", new="another"),)
    shown = saying("the first", "another").model_copy(update={"job_id": made.job_id})  # the third was joined
    store.add("ours", made.job_id, change, after=0, before=made, shown=shown, entry=entry(made.job_id, clock))
    after = rows()
    for kept in ((made.job_id, 0), (other.job_id, 0)):
        assert after[kept] == before[kept]
    assert after[made.job_id, 1][1] == "another"
    assert (made.job_id, 2) not in after
    assert (positions(index, "second"), positions(index, "third"), positions(index, "another")) == ([], [], [1])

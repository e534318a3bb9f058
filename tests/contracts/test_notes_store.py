"""Contract tests of the store of notes: one at a time for each meeting, and deleted with it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from shared.domain.error import NotFound, StateConflict
from shared.domain.notes import Notes, NotesClaim, NotesRecord, NotesStatus
from shared.domain.tenant import AuditEntry
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.notes import LOST, SqlNotesStore
from shared.infra.database.schema_transcripts import notes
from tests.service_fakes import MINUTE, MovableClock, new_job


@pytest.fixture
def store(database: Database) -> SqlNotesStore:
    return SqlNotesStore(database)


@pytest.fixture
def job_id(database: Database) -> str:
    return SqlJobStore(database).add("ours", new_job()).id


def begun(clock: MovableClock) -> NotesRecord:
    return NotesRecord(status=NotesStatus.RUNNING, model="small", emotion=False, corrections=0, requested_at=clock.now)


def done(clock: MovableClock) -> NotesRecord:
    written = Notes(summary=(NotesClaim(text="a", utterances=(0,)),))
    return begun(clock).model_copy(update={"status": NotesStatus.DONE, "notes": written, "finished_at": clock.now})


def entry(clock: MovableClock) -> AuditEntry:
    return AuditEntry(tenant="ours", at=clock.now, key_id=None, action="notes.requested", subject="job")


def test_notes_are_begun_finished_and_replaced(
    store: SqlNotesStore, database: Database, job_id: str, clock: MovableClock
) -> None:
    assert store.find("ours", job_id) is None
    store.begin("ours", job_id, begun(clock), entry(clock))
    assert store.find("ours", job_id) == begun(clock)
    with pytest.raises(StateConflict):
        store.begin("ours", job_id, begun(clock), entry(clock))
    store.finish("ours", job_id, done(clock))
    assert store.find("ours", job_id) == done(clock) and store.find("theirs", job_id) is None
    store.begin("ours", job_id, begun(clock), entry(clock))
    assert store.find("ours", job_id) == begun(clock)
    assert len(SqlAuditLog(database).list("ours").items) == 2


def test_notes_of_a_lost_process_have_failed(store: SqlNotesStore, job_id: str, clock: MovableClock) -> None:
    store.begin("ours", job_id, begun(clock), entry(clock))
    clock.move(LOST - MINUTE)
    assert store.find("ours", job_id).status is NotesStatus.RUNNING  # type: ignore[union-attr]
    clock.move(MINUTE)
    found = store.find("ours", job_id)
    assert found is not None and found.status is NotesStatus.FAILED and found.error
    store.begin("ours", job_id, begun(clock), entry(clock))


def test_notes_are_deleted_with_their_job(
    store: SqlNotesStore, database: Database, job_id: str, clock: MovableClock
) -> None:
    store.begin("ours", job_id, begun(clock), entry(clock))
    SqlJobStore(database).erase("ours", job_id, by="test", reason="asked")
    with pytest.raises(NotFound):
        store.finish("ours", job_id, done(clock))
    SqlErasureStore(database).finish("ours", job_id)
    with database.reading() as connection:
        assert connection.execute(select(notes)).all() == []

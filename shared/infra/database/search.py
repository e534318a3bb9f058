"""Full-text search of transcripts with SQLite FTS5 or PostgreSQL text search over the same folded words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from shared.domain.error import InvalidRequest
from shared.domain.job_record import JobStatus
from shared.domain.page import Cursor, Page
from shared.domain.search import Phrase, SearchQuery, SearchResult, fold
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.infra.database.engine import Database
from shared.infra.database.job_rows import lock_present_job
from shared.infra.database.schema import jobs
from shared.infra.database.schema_transcripts import FULL_TEXT, search_utterances

MAX_PER_PAGE = 100


class SqlTranscriptIndex:
    """Search index of a tenant's finished transcripts; erasing a job removes it from the index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def index_transcript(self, tenant: str, transcript: Transcript) -> None:
        """Index the transcript in place of the job's previous one; it is found only after the job is done.
        Raises NotFound if the tenant has no such job or it was erased."""
        rows = utterance_rows(tenant, transcript)
        with self._database.writing() as connection:
            lock_present_job(connection, tenant, transcript.job_id)
            write_utterances(connection, transcript.job_id, rows)

    def search(
        self, tenant: str, query: SearchQuery, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SearchResult]:
        """Matching utterances, newest job first, in order of time within a job."""
        limit = max(1, min(limit, MAX_PER_PAGE))
        with self._database.reading() as connection:
            chosen = _matching(connection.dialect.name, tenant, query)
            if cursor is not None:
                chosen = chosen.where(_after(Cursor.parse(cursor)))
            order = (jobs.c.created_at.desc(), jobs.c.id.desc(), search_utterances.c.position)
            rows = connection.execute(chosen.order_by(*order).limit(limit + 1)).mappings().all()
        shown = rows[:limit]
        items = tuple(
            SearchResult(
                job_id=row["job_id"],
                utterance=row["position"],
                start=row["start"],
                end=row["end"],
                speaker=row["speaker"],
                name=row["name"],
                text=row["text"],
            )
            for row in shown
        )
        if len(rows) <= limit:
            return Page(items=items)
        last = shown[-1]
        return Page(
            items=items, next_cursor=str(Cursor(at=last["created_at"], id=f"{last['job_id']}:{last['position']}"))
        )


def utterance_rows(tenant: str, transcript: Transcript) -> list[dict[str, Any]]:
    """The rows of the index. Call it before the transaction, which would be open while the words are folded."""
    return [_row(tenant, transcript.job_id, *one) for one in _named(transcript).values()]


def changed_rows(tenant: str, before: Transcript, after: Transcript) -> tuple[list[int], list[dict[str, Any]]]:
    """The positions in the index that an edit changes or removes, and the rows that replace them."""
    old, new = _named(before), _named(after)
    left = [position for position, one in old.items() if new.get(position) != one]
    rows = [_row(tenant, after.job_id, *one) for position, one in new.items() if old.get(position) != one]
    return left, rows


def _named(transcript: Transcript) -> dict[int, tuple[Utterance, str]]:
    """The utterances by their index, with the names of their speakers."""
    names = transcript.names
    return {one.index: (one, names[one.speaker]) for one in transcript.utterances}


def _row(tenant: str, job_id: str, utterance: Utterance, name: str) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "job_id": job_id,
        "position": utterance.index,
        "start": utterance.start,
        "end": utterance.end,
        "speaker": _storable(utterance.speaker),
        "name": _storable(name),
        "folded_name": fold(name),
        "text": _storable(utterance.text),
        "folded": fold(utterance.text),
        "emotion": str(utterance.emotion.label) if utterance.emotion else None,
    }


def write_utterances(connection: Connection, job_id: str, rows: Sequence[dict[str, Any]]) -> None:
    """Replaces the job's utterances in the index, in the caller's transaction, which must have locked the job's row."""
    connection.execute(delete(search_utterances).where(search_utterances.c.job_id == job_id))
    if rows:
        connection.execute(insert(search_utterances), rows)


def update_utterances(connection: Connection, job_id: str, left: Sequence[int], rows: Sequence[dict[str, Any]]) -> None:
    """Replaces single utterances of the job, see `changed_rows`; the caller's transaction must have locked the job."""
    if left:
        changed = search_utterances.c.position == bindparam("left")
        statement = delete(search_utterances).where(search_utterances.c.job_id == job_id, changed)
        connection.execute(statement, [{"left": position} for position in left])
    if rows:
        connection.execute(insert(search_utterances), rows)


def delete_utterances(connection: Connection, job_id: str) -> None:
    """Deletes the job's utterances and their words from the index, in the caller's transaction."""
    deleted = connection.execute(delete(search_utterances).where(search_utterances.c.job_id == job_id)).rowcount
    if deleted and connection.dialect.name == "sqlite":
        # FTS5 only marks deleted words until the segments of the index are merged.
        connection.execute(text("INSERT INTO search_words(search_words) VALUES ('optimize')"))


def _storable(words: str) -> str:
    return words.replace("\x00", "")  # PostgreSQL text cannot contain it


def _matching(dialect: str, tenant: str, query: SearchQuery) -> Select[Any]:
    chosen = (
        select(search_utterances, jobs.c.created_at)
        .join(jobs, jobs.c.id == search_utterances.c.job_id)
        .where(search_utterances.c.tenant == tenant, jobs.c.tenant == tenant, jobs.c.status == JobStatus.DONE)
    )
    if query.phrases:
        chosen = chosen.where(_has_words(dialect, query.phrases))
    if query.emotion is not None:
        chosen = chosen.where(search_utterances.c.emotion == str(query.emotion))
    if query.speaker is not None:
        wanted = _storable(query.speaker)
        # A name without letters folds to an empty string, so compare the original name.
        by_name = (
            search_utterances.c.folded_name == fold(wanted) if fold(wanted) else search_utterances.c.name == wanted
        )
        chosen = chosen.where(or_(search_utterances.c.speaker == wanted, by_name))
    if query.created_from is not None:
        chosen = chosen.where(jobs.c.created_at >= query.created_from)
    if query.created_before is not None:
        chosen = chosen.where(jobs.c.created_at < query.created_before)
    if query.job is not None:
        chosen = chosen.where(search_utterances.c.job_id == _storable(query.job))
    return chosen


def _has_words(dialect: str, phrases: Iterable[Phrase]) -> ColumnElement[bool]:
    """Builds the full-text condition; folded words contain only letters and digits, so nothing needs escaping."""
    if dialect == "sqlite":
        words = " ".join(f'"{" ".join(phrase)}"' for phrase in phrases)
        hits: Select[Any] = select(literal_column("rowid")).select_from(text(FULL_TEXT))
        return search_utterances.c.id.in_(hits.where(text(f"{FULL_TEXT} MATCH :words").bindparams(words=words)))
    vector = func.to_tsvector(text("'simple'"), search_utterances.c.folded)
    return and_(*(vector.op("@@")(func.phraseto_tsquery(text("'simple'"), " ".join(phrase))) for phrase in phrases))


def _after(last: Cursor) -> ColumnElement[bool]:
    job_id, _, position = last.id.partition(":")
    if not position.isdigit():
        raise InvalidRequest("The cursor is not valid.", hint="Start again without a cursor.")
    last_key = (literal(last.at, jobs.c.created_at.type), literal(job_id, jobs.c.id.type))
    row_key = tuple_(jobs.c.created_at, jobs.c.id)
    after_position = search_utterances.c.position > int(position)
    return or_(row_key < tuple_(*last_key), and_(row_key == tuple_(*last_key), after_position))

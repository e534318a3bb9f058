"""`GET /v1/search`: full-text search over all finished transcripts of a tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from services.results.dependencies import TranscriptCaller, Transcripts
from shared.domain.emotion import Emotion
from shared.domain.search import SearchQuery, SearchResult, highlight
from shared.domain.tenant import Scope
from shared.domain.value import Value

Words = Annotated[
    str | None,
    Query(
        max_length=200, description='Words that must all occur, ignoring case and accents; "quoted" words as a phrase.'
    ),
]
Perceived = Annotated[Emotion | None, Query(description="Perceived in the utterance; needs the scope `emotions:read`.")]
SpeakerFilter = Annotated[str | None, Query(max_length=200, description="A speaker's id or name.")]
Job = Annotated[str | None, Query(max_length=64, description="Within one transcript only.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the previous page.")]
Limit = Annotated[int, Query(ge=1, le=100)]

router = APIRouter(tags=["search"])


class SearchHit(Value):
    job_id: str
    utterance: int = Field(description="Its index in the transcript")
    start: float
    end: float
    speaker: str
    name: str = Field(description="The speaker's name; plain text")
    text: str = Field(description="Plain text")
    highlighted: str = Field(description="Escaped HTML with the matches between <mark> and </mark>")


class SearchPage(Value):
    items: tuple[SearchHit, ...]
    next_cursor: str | None


def found_job(job: str | None, found: Sequence[SearchResult]) -> str:
    """The subject of the audit entry: the id of a job that exists, because any other text is the client's own."""
    return job if job is not None and found else ""


@router.get("/v1/search", summary="Utterances, of the newest job first.")
def search(
    transcripts: Transcripts,
    caller: TranscriptCaller,
    q: Words = None,
    emotion: Perceived = None,
    speaker: SpeakerFilter = None,
    job: Job = None,
    created_from: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> SearchPage:
    """All given filters must match; at least one of q, emotion, speaker and job is required."""
    if emotion is not None:
        caller.require_scope(Scope.EMOTIONS_READ)
    query = SearchQuery.parse(
        q, emotion=emotion, speaker=speaker, job=job, created_from=created_from, created_before=created_before
    )
    page = transcripts.index.search(caller.tenant, query, cursor=cursor, limit=limit)
    transcripts.record_audit(
        caller, "transcripts.searched", found_job(job, page.items), found=len(page.items), emotion=emotion is not None
    )
    hits = tuple(SearchHit(**hit.model_dump(), highlighted=highlight(hit.text, query.phrases)) for hit in page.items)
    return SearchPage(items=hits, next_cursor=page.next_cursor)

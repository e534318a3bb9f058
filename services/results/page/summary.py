"""The summary of a meeting as a page that also prints: talk time, perceived emotion and its course, turning points."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from services.results.dependencies import Editor
from services.results.page.context import PageContext, Pages, TranscriptCaller
from services.results.page.render import HEADERS, error_page, page
from shared.domain.error import InsufficientScope, UndertoneError
from shared.domain.notes import NotesRecord
from shared.domain.tenant import Scope
from shared.exports.drawings import draw_emotions, draw_talk_time, draw_valence
from shared.exports.summary import summarize
from shared.exports.svg import render_svg
from shared.infra.transcript_reader import VisibleTranscript
from shared.infra.web.authenticator import Caller

router = APIRouter(include_in_schema=False)


@router.get("/meetings/{job_id}/summary")
def show_summary(pages: Pages, caller: TranscriptCaller, job_id: str) -> Response:
    try:
        shown = pages.transcripts.read(caller, job_id)
    except UndertoneError as error:
        return error_page(error)
    pages.transcripts.record_audit(caller, "transcript.read", job_id, format="summary page", emotion=shown.emotion)
    return page(
        "summary.html",
        **sections_of(shown),
        job_id=job_id,
        meeting_url=f"/meetings/{job_id}",
        notes=_notes(pages, caller, job_id),
        may_ask=pages.notes.model is not None and caller.has_scope(Scope.RECORDINGS_WRITE),
        corrections=len(pages.transcripts.corrections.list(caller.tenant, job_id)),
        keyless=pages.keyless,
    )


def sections_of(shown: VisibleTranscript) -> dict[str, Any]:
    """What `summary_sections.html` shows."""
    summary = summarize(shown.transcript, emotion=shown.emotion)
    return {
        "transcript": shown.transcript,
        "texts": {one.index: one for one in shown.transcript.utterances},
        "summary": summary,
        "talk": render_svg(draw_talk_time(summary)),
        "emotions": render_svg(draw_emotions(summary)) if shown.emotion else None,
        "valence": render_svg(draw_valence(summary)) if shown.emotion else None,
    }


@router.post("/meetings/{job_id}/notes")
def ask_for_notes(pages: Pages, caller: Editor, job_id: str) -> Response:
    """A form, so that it needs no script."""
    try:
        pages.notes.start(caller, job_id)
    except UndertoneError as error:
        return error_page(error)
    return RedirectResponse(f"/meetings/{job_id}/summary#notes", 303, HEADERS)


def _notes(pages: PageContext, caller: Caller, job_id: str) -> NotesRecord | None:
    try:
        return pages.notes.find(caller, job_id)
    except InsufficientScope:
        return None

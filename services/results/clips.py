"""`GET /v1/transcripts/{id}/clips.csv`: utterances with corrected emotions as training data."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.results.content_response import Content
from services.results.dependencies import TranscriptCaller, Transcripts
from services.results.views import PATH, add_view, deliver_audited
from shared.exports.clips import CLIPS, render_clips

router = APIRouter(tags=["corrections"])


def view_clips(request: Request, transcripts: Transcripts, caller: TranscriptCaller, job_id: str) -> Response:
    """Needs the scopes `transcripts:read` and `emotions:read`. `undertone clips` also cuts the audio."""
    shown = transcripts.read(caller, job_id, emotion=True)
    content = Content.of(render_clips([(shown.transcript, shown.corrections)]), "text/csv", CLIPS)
    return deliver_audited(transcripts, request, caller, job_id, content, CLIPS, shown)


add_view(router, f"{PATH}/{CLIPS}", view_clips, "text/csv", "Corrected emotions as training data.")

"""The page of one meeting: the recording, the transcript and the perceived emotion."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from services.results.media import media_type_of
from services.results.page.context import Pages, TranscriptCaller
from services.results.page.lines import DOUBT, lines_of, overlaps_of
from services.results.page.render import error_page, page, streamed_page
from services.results.page.ribbon import duration_of, lanes_of
from services.results.videos import caption_status
from shared.domain.correction_history import undo_stacks
from shared.domain.emotion import EMOTIONS
from shared.domain.error import UndertoneError
from shared.domain.job_blobs import recording_key
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS

# Why a modality gave no reading, by the reason in the transcript.
REASONS = {
    "no_recording": "there is no recording",
    "no_video": "the recording has no picture",
    "no_face": "no face is visible",
    "no_face_of_speaker": "no face of this speaker",
    "too_short": "the utterance is too short",
}

router = APIRouter(include_in_schema=False)


@router.get("/meetings/{job_id}")
def show_meeting(pages: Pages, caller: TranscriptCaller, job_id: str) -> Response:
    transcripts = pages.transcripts
    try:
        stored = transcripts.corrections.list(caller.tenant, job_id)  # before reading: the page must not claim more
        shown = transcripts.read(caller, job_id)
        record = transcripts.record(caller, job_id)
        media = transcripts.blobs.size(caller.tenant, recording_key(job_id))
        kind = media_type_of(transcripts.blobs, caller.tenant, job_id) if media else None
    except UndertoneError as error:
        return error_page(error)
    transcripts.record_audit(caller, "transcript.read", job_id, format="page", emotion=shown.emotion)
    transcript = shown.transcript
    return streamed_page(
        "meeting.html",
        job_id=job_id,
        readings=f"/meetings/{job_id}/utterances/" if shown.emotion else None,
        media_url=f"/v1/jobs/{job_id}/media",
        captions_url=f"/v1/transcripts/{job_id}.vtt",
        shares_sound=True,
        transcript=transcript,
        lines=lines_of(transcript, emotion=shown.emotion),
        lanes=lanes_of(transcript, emotion=shown.emotion),
        duration=duration_of(transcript),
        doubt=DOUBT,
        revision=len(stored),
        stacks=undo_stacks(stored, caller.key_id),
        media=kind,
        media_expires_at=pages.media_expires_at(record) if media else None,
        text_only=record.job.text_only,
        caption=caption_status(record) if transcript.recording.has_video else "no_video",
        may_edit=caller.has_scope(Scope.RECORDINGS_WRITE),
        emotion=shown.emotion,
        emotions=EMOTIONS,
        formats=list(FORMATS),
        keyless=pages.keyless,
    )


@router.get("/meetings/{job_id}/ribbon")
def show_ribbon(pages: Pages, caller: TranscriptCaller, job_id: str) -> Response:
    """The ribbon and the notes on overlaps, which a script inserts into the page after a correction."""
    try:
        shown = pages.transcripts.read(caller, job_id)
    except UndertoneError as error:
        return error_page(error)
    pages.transcripts.record_audit(caller, "transcript.read", job_id, format="page", emotion=shown.emotion)
    transcript = shown.transcript
    return page(
        "ribbon_page.html",
        job_id=job_id,
        lanes=lanes_of(transcript, emotion=shown.emotion),
        duration=duration_of(transcript),
        overlaps=zip(transcript.utterances, overlaps_of(transcript), strict=True),
        emotion=shown.emotion,
        emotions=EMOTIONS,
    )


@router.get("/meetings/{job_id}/utterances/{index}")
def show_reading(pages: Pages, caller: TranscriptCaller, job_id: str, index: int) -> Response:
    """The readings of one utterance: a page of its own, of which a script shows the main part within the transcript."""
    transcripts = pages.transcripts
    try:
        shown = transcripts.read(caller, job_id)
        utterance = shown.transcript.utterance(index)
    except UndertoneError as error:
        return error_page(error)
    transcripts.record_audit(caller, "transcript.read", job_id, format="page", emotion=shown.emotion)
    return page(
        "reading.html",
        job_id=job_id,
        transcript=shown.transcript,
        utterance=utterance,
        reading=utterance.emotion if shown.emotion else None,
        emotions=EMOTIONS,
        reasons=REASONS,
        keyless=pages.keyless,
    )

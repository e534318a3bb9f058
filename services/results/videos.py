"""The captioned video of a transcript: serves it, and requests its rendering by a worker."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NoReturn

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from services.results.content_response import Content, tag
from services.results.dependencies import Editor, TranscriptCaller, Transcripts
from services.results.file_name import file_name
from services.results.openapi import transcript_responses
from services.results.views import PATH, Emotion, Original, add_view, deliver_audited
from shared.domain.correction_history import active_corrections
from shared.domain.error import MediaDeleted, NoVideo, StoredDataMissing, VideoNotRequested
from shared.domain.job_blobs import captioned_key
from shared.domain.job_record import JobRecord
from shared.domain.stage_plan import CAPTION
from shared.domain.transcript import Transcript
from shared.domain.value import Value
from shared.domain.work import StageStatus
from shared.infra.transcript_reader import VisibleTranscript
from shared.ports.blobs import BlobStore

VIDEO = "video/mp4"
SUMMARY = "The recording with captions, after a worker has rendered it."
VIDEO_ERRORS = (VideoNotRequested, NoVideo, MediaDeleted)

router = APIRouter(tags=["transcripts"])


class VideoStatus(Value):
    status: StageStatus = Field(description="Of the job's stage `caption`")
    job_url: str
    video_url: str = Field(description="Returns the video after the stage is `done`")


# The bytes of a job's blob never change, so they are hashed once; the size guards against a violation of that.
@lru_cache(maxsize=1024)
def _sha256(blobs: BlobStore, tenant: str, key: str, size: int) -> str:
    del size
    digest = hashlib.sha256()
    for block in blobs.read(tenant, key):
        digest.update(block)
    return digest.hexdigest()


def view_video(
    request: Request,
    transcripts: Transcripts,
    caller: TranscriptCaller,
    job_id: str,
    emotion: Emotion = None,
    original: Original = False,
) -> Response:
    """The video of the transcript as published, without processing media here."""
    shown = transcripts.read(caller, job_id, emotion=emotion, original=original)
    key = captioned_key(job_id)
    size = transcripts.blobs.size(caller.tenant, key)
    if size is None:
        _raise_not_available(transcripts.record(caller, job_id), shown.transcript)
    _check_shows(shown)

    def read(start: int, end: int) -> Iterator[bytes]:
        return transcripts.blobs.read(caller.tenant, key, start=start, end=end)

    name = file_name(shown.transcript.recording.name, "captioned.mp4")
    sha256 = _sha256(transcripts.blobs, caller.tenant, key, size)  # type: ignore[arg-type] # stores hash by identity
    content = Content(size, tag(sha256), VIDEO, name, read)
    return deliver_audited(transcripts, request, caller, job_id, content, "mp4", shown)


add_view(router, f"{PATH}.mp4", view_video, VIDEO, SUMMARY, *VIDEO_ERRORS)


@router.post(
    f"{PATH}/video",
    status_code=202,
    response_model=VideoStatus,
    responses=transcript_responses(*VIDEO_ERRORS),
    summary="Request the captioned video.",
)
def request_video(transcripts: Transcripts, caller: Editor, job_id: str) -> Response:
    """Repeating the request has no effect, except that a failed rendering is retried.

    Needs `transcripts:read` and `recordings:write`, and `emotions:read` if the transcript has readings.
    """
    shown = transcripts.read(caller, job_id, original=True)
    _check_may_see(shown)
    _check_has_picture(shown.transcript)
    record = transcripts.jobs.caption(caller.tenant, job_id)
    transcripts.record_audit(caller, "video.requested", job_id)
    status = VideoStatus(
        status=caption_status(record) or StageStatus.PENDING, job_url=f"/v1/jobs/{job_id}", video_url=_url(job_id)
    )
    return Response(status.model_dump_json(), 202, {"Location": status.job_url}, "application/json")


def _url(job_id: str) -> str:
    return f"{PATH}.mp4".format(job_id=job_id)


def caption_status(record: JobRecord) -> StageStatus | None:
    return next((stage.status for stage in record.stages if stage.name == CAPTION.name), None)


def _raise_not_available(record: JobRecord, transcript: Transcript) -> NoReturn:
    _check_has_picture(transcript)
    if record.media_deleted_at is not None:
        raise MediaDeleted
    request = f"POST {PATH}/video".format(job_id=record.id)
    match caption_status(record):
        case None:
            raise VideoNotRequested("There is no captioned video of this recording.", hint=f"{request} requests it.")
        case StageStatus.FAILED:
            raise VideoNotRequested("The captioned video could not be rendered.", hint=f"{request} retries it.")
        case StageStatus.DONE:
            raise StoredDataMissing("The captioned video is no longer in storage.")
    raise VideoNotRequested(
        "The captioned video is being rendered.",
        hint=f"GET /v1/jobs/{record.id} returns the progress of its stage `{CAPTION.name}`; try again when it is done.",
    )


def _check_has_picture(transcript: Transcript) -> None:
    if not transcript.recording.has_video:
        raise NoVideo(
            "The recording has no video track for captions.",
            hint="`undertone annotate RECORDING -o FOLDER --format mp4` renders them on a plain background.",
        )


def _check_may_see(shown: VisibleTranscript) -> None:
    if not shown.emotion and any(one.emotion for one in shown.transcript.utterances):
        raise VideoNotRequested(
            "The captioned video shows perceived emotion, but was requested without it.",
            hint="Use a key with emotions:read; `undertone annotate RECORDING -o FOLDER --format mp4 --no-emotion` "
            "renders a video without it.",
        )


def _check_shows(shown: VisibleTranscript) -> None:
    """Raise if the transcript was corrected: the video shows the transcript as published, with its readings."""
    _check_may_see(shown)
    if active_corrections(shown.corrections):
        raise VideoNotRequested(
            "The captioned video shows the transcript before its corrections.",
            hint="Request it with ?original=true; .vtt has the corrected captions.",
        )

"""The captioned video of a transcript: served where a worker has made it, and made where somebody asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, NoReturn

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from starlette.responses import Response

from services.results.access import caller_with
from services.results.answer import Content, tag
from services.results.described import of_transcript
from services.results.file_name import file_name
from services.results.reading_room import ReadingRoom, Shown
from services.results.views import PATH, Emotion, Original, Reader, View, add_view, noted
from shared.domain.error import MediaGone, NoVideo, StorageLost, VideoNotMade
from shared.domain.job_blobs import captioned_key
from shared.domain.job_record import JobRecord
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.domain.value import Value
from shared.domain.work import CAPTION, StageState
from shared.infra.web.api_keys import Caller

VIDEO = "video/mp4"
SUMMARY = "The recording with captions, once a worker has made it."
Maker = Annotated[Caller, Depends(caller_with(Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE))]


class Making(Value):
    status: StageState = Field(description="Of the job's stage `caption`")
    job_url: str
    video_url: str = Field(description="Answers with the video once the stage is `done`")


def video_routes(room: ReadingRoom) -> APIRouter:
    """They come before the other views: to those, `.mp4` would be the end of an id."""
    routes = APIRouter(tags=["transcripts"])
    add_view(routes, f"{PATH}.mp4", _view(room), VIDEO, SUMMARY, VideoNotMade, NoVideo, MediaGone)

    @routes.post(
        f"{PATH}/video",
        status_code=202,
        response_model=Making,
        responses=of_transcript(VideoNotMade, NoVideo, MediaGone),
        summary="Have the captioned video made.",
    )
    def make(caller: Maker, job_id: str) -> Response:
        """Asking again changes nothing; where the making failed it is tried again.

        Needs `transcripts:read` and `recordings:write`; and `emotions:read` where there are readings to be shown.
        """
        shown = room.show(caller, job_id, original=True)
        _check_may_see(shown)
        _check_has_picture(shown.transcript)
        record = room.jobs.caption(caller.tenant, job_id)
        room.note(caller, "video_wished", job_id)
        made = Making(status=_state(record) or StageState.PENDING, job_url=f"/v1/jobs/{job_id}", video_url=_url(job_id))
        return Response(made.model_dump_json(), 202, {"Location": made.job_url}, "application/json")

    return routes


def _view(room: ReadingRoom) -> View:
    """It shows the transcript as published; no media is touched here."""

    # Bytes under a job's key never change, so they are hashed once; the size guards against a mistake in that.
    @lru_cache(maxsize=1024)
    def hashed(tenant: str, key: str, size: int) -> str:
        del size
        digest = hashlib.sha256()
        for block in room.blobs.read(tenant, key):
            digest.update(block)
        return digest.hexdigest()

    def view(
        request: Request, caller: Reader, job_id: str, emotion: Emotion = None, original: Original = False
    ) -> Response:
        shown = room.show(caller, job_id, emotion=emotion, original=original)
        key = captioned_key(job_id)
        size = room.blobs.size(caller.tenant, key)
        if size is None:
            _say_why_not(room.record(caller, job_id), shown.transcript)
        _check_shows(shown)

        def read(start: int, end: int) -> Iterator[bytes]:
            return room.blobs.read(caller.tenant, key, start=start, end=end)

        name = file_name(shown.transcript.recording.name, "captioned.mp4")
        content = Content(size, tag(hashed(caller.tenant, key, size)), VIDEO, name, read)
        return noted(room, request, caller, job_id, content, "mp4", shown)

    return view


def _url(job_id: str) -> str:
    return f"{PATH}.mp4".format(job_id=job_id)


def _state(record: JobRecord) -> StageState | None:
    return next((stage.state for stage in record.stages if stage.name == CAPTION), None)


def _say_why_not(record: JobRecord, transcript: Transcript) -> NoReturn:
    _check_has_picture(transcript)
    if record.media_gone_at is not None:
        raise MediaGone(
            "The recording was kept for its time, and a video of it with it.",
            mend="Hand the recording in again, with captions=true.",
        )
    ask = f"POST {PATH}/video".format(job_id=record.id)
    match _state(record):
        case None:
            raise VideoNotMade("There is no captioned video of this recording.", mend=f"{ask} has it made.")
        case StageState.FAILED:
            raise VideoNotMade("The captioned video could not be made.", mend=f"{ask} tries it again.")
        case StageState.DONE:
            raise StorageLost("The captioned video is no longer in storage.")
    raise VideoNotMade(
        "The captioned video is being made.",
        mend=f"GET /v1/jobs/{record.id} says how far its stage `{CAPTION}` is; ask again when it is done.",
    )


def _check_has_picture(transcript: Transcript) -> None:
    if not transcript.recording.has_video:
        raise NoVideo(
            "The recording has no picture to put captions on.",
            mend="`undertone annotate RECORDING -o FOLDER --format mp4` puts them on a plain one.",
        )


def _check_may_see(shown: Shown) -> None:
    if not shown.emotion and any(one.emotion for one in shown.transcript.utterances):
        raise VideoNotMade(
            "The captioned video shows perceived emotion, and was asked for without.",
            mend="Use a key with emotions:read; `undertone annotate RECORDING -o FOLDER --format mp4 --no-emotion` "
            "makes one without.",
        )


def _check_shows(shown: Shown) -> None:
    """The one video that there is shows the transcript as published, with its readings."""
    _check_may_see(shown)
    if shown.corrections:
        raise VideoNotMade(
            "The captioned video shows the transcript as it was before it was corrected.",
            mend="Ask with ?original=true for that one; .vtt has the corrected captions.",
        )

"""`GET /v1/transcripts/{id}` and its views: one transcript in every format, as the command line writes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.results.access import caller_with
from services.results.answer import Content, deliver, tag, unchanged
from services.results.described import of_content
from services.results.file_name import file_name
from services.results.reading_room import ReadingRoom, Shown
from shared.domain.error import RangeUnusable, VideoNotMade
from shared.domain.job_blobs import job_folder
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS, Format
from shared.exports.summary import render_summary
from shared.infra.web.api_keys import Caller

Reader = Annotated[Caller, Depends(caller_with(Scope.TRANSCRIPTS_READ))]
Emotion = Annotated[
    bool | None,
    Query(description="`false` leaves all readings out. By default they are there if the key has `emotions:read`."),
]
Original = Annotated[bool, Query(description="Without what people corrected.")]

PATH = "/v1/transcripts/{job_id}"
SUMMARY = Format("summary.json", "application/json", render_summary)
VIDEO = "video/mp4"
View = Callable[..., Response]


def view_routes(room: ReadingRoom) -> APIRouter:
    routes = APIRouter(tags=["transcripts"])
    json = FORMATS["json"]
    for form in FORMATS.values():
        _add(routes, f"{PATH}.{form.suffix}", _view(room, form), form.media_type, f"The transcript as .{form.suffix}.")
    _add(routes, f"{PATH}.mp4", _video(room), VIDEO, "The recording with captions, where the worker made it.", True)
    _add(routes, f"{PATH}/summary", _view(room, SUMMARY), json.media_type, "Who spoke how much, perceived how, when.")
    _add(routes, PATH, _view(room, json, inline=True), json.media_type, "The transcript as JSON.")
    return routes


def _add(routes: APIRouter, path: str, view: View, media_type: str, summary: str, video: bool = False) -> None:
    more = (RangeUnusable, VideoNotMade) if video else (RangeUnusable,)
    name = path.removeprefix("/v1/").replace("{job_id}", "by_id").replace("/", "_").replace(".", "_")
    routes.add_api_route(
        path,
        view,
        methods=["GET"],
        response_class=Response,
        responses=of_content(media_type, *more),
        summary=summary,
        operation_id=f"get_{name}",
    )
    routes.add_api_route(path, view, methods=["HEAD"], include_in_schema=False)


def _view(room: ReadingRoom, form: Format, *, inline: bool = False) -> View:
    def view(
        request: Request, caller: Reader, job_id: str, emotion: Emotion = None, original: Original = False
    ) -> Response:
        shown = room.show(caller, job_id, emotion=emotion, original=original)
        name = file_name(shown.transcript.recording.name, form.suffix)
        rendered = form.render(shown.transcript, emotion=shown.emotion)
        return _noted(
            room,
            request,
            caller,
            job_id,
            Content.of(rendered, form.media_type, name, inline=inline),
            form.suffix,
            shown,
        )

    return view


def _noted(
    room: ReadingRoom, request: Request, caller: Caller, job_id: str, content: Content, suffix: str, shown: Shown
) -> Response:
    """Every reading leaves a line, unless nothing new is shown."""
    if not unchanged(request, content):
        action = "transcript_read" if content.inline else "transcript_exported"
        room.note(caller, action, job_id, format=suffix, emotion=shown.emotion)
    return deliver(request, content)


def _video(room: ReadingRoom) -> View:
    """The captioned video is made by the worker, from the transcript as published; no media is touched here."""

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
            raise VideoNotMade(
                "There is no captioned video of this recording.",
                mend="`undertone annotate RECORDING -o FOLDER --format mp4` makes one.",
            )
        _check_shows(shown)

        def read(start: int, end: int) -> Iterator[bytes]:
            return room.blobs.read(caller.tenant, key, start=start, end=end)

        name = file_name(shown.transcript.recording.name, "captioned.mp4")
        content = Content(size, tag(hashed(caller.tenant, key, size)), VIDEO, name, read)
        return _noted(room, request, caller, job_id, content, "mp4", shown)

    return view


def captioned_key(job_id: str) -> str:
    return f"{job_folder(job_id)}/captioned.mp4"


def _check_shows(shown: Shown) -> None:
    """The one video that there is shows the transcript as published, with its readings."""
    if not shown.emotion and any(one.emotion for one in shown.transcript.utterances):
        raise VideoNotMade(
            "The captioned video shows perceived emotion, and was asked for without.",
            mend="`undertone annotate RECORDING -o FOLDER --format mp4 --no-emotion` makes one without.",
        )
    if shown.corrections:
        raise VideoNotMade(
            "The captioned video shows the transcript as it was before it was corrected.",
            mend="Ask with ?original=true for that one; .vtt has the corrected captions.",
        )

"""`GET /v1/transcripts/{id}` and its views: one transcript in every format, as the command line writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.results.access import caller_with
from services.results.answer import Content, deliver, unchanged
from services.results.described import of_content
from services.results.file_name import file_name
from services.results.reading_room import ReadingRoom, Shown
from shared.domain.error import RangeUnusable, UndertoneError
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
View = Callable[..., Response]


def view_routes(room: ReadingRoom) -> APIRouter:
    routes = APIRouter(tags=["transcripts"])
    json = FORMATS["json"]
    for form in FORMATS.values():
        add_view(
            routes, f"{PATH}.{form.suffix}", _view(room, form), form.media_type, f"The transcript as .{form.suffix}."
        )
    add_view(
        routes, f"{PATH}/summary", _view(room, SUMMARY), json.media_type, "Who spoke how much, perceived how, when."
    )
    add_view(routes, PATH, _view(room, json, inline=True), json.media_type, "The transcript as JSON.")
    return routes


def add_view(
    routes: APIRouter, path: str, view: View, media_type: str, summary: str, *more: type[UndertoneError]
) -> None:
    name = path.removeprefix("/v1/").replace("{job_id}", "by_id").replace("/", "_").replace(".", "_")
    routes.add_api_route(
        path,
        view,
        methods=["GET"],
        response_class=Response,
        responses=of_content(media_type, RangeUnusable, *more),
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
        return noted(
            room,
            request,
            caller,
            job_id,
            Content.of(rendered, form.media_type, name, inline=inline),
            form.suffix,
            shown,
        )

    return view


def noted(
    room: ReadingRoom, request: Request, caller: Caller, job_id: str, content: Content, suffix: str, shown: Shown
) -> Response:
    """Every reading leaves a line, unless nothing new is shown."""
    if not unchanged(request, content):
        action = "transcript_read" if content.inline else "transcript_exported"
        room.note(caller, action, job_id, format=suffix, emotion=shown.emotion)
    return deliver(request, content)

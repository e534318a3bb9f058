"""`GET /v1/transcripts/{id}` and its views: the transcript in every format of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.results.access import require_scopes
from services.results.content_response import Content, deliver, unchanged
from services.results.file_name import file_name
from services.results.openapi import content_responses
from services.results.transcript_reader import TranscriptReader, VisibleTranscript
from shared.domain.error import RangeNotSatisfiable, UndertoneError
from shared.domain.tenant import Scope
from shared.exports.formats import FORMATS, Format
from shared.exports.summary import render_summary
from shared.infra.web.api_keys import Caller

Reader = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ))]
Emotion = Annotated[
    bool | None,
    Query(description="`false` omits all readings. By default they are included if the key has `emotions:read`."),
]
Original = Annotated[bool, Query(description="Without corrections.")]

PATH = "/v1/transcripts/{job_id}"
SUMMARY = Format("summary.json", "application/json", render_summary)
View = Callable[..., Response]


def view_routes(reader: TranscriptReader) -> APIRouter:
    routes = APIRouter(tags=["transcripts"])
    json = FORMATS["json"]
    for form in FORMATS.values():
        add_view(
            routes, f"{PATH}.{form.suffix}", _view(reader, form), form.media_type, f"The transcript as .{form.suffix}."
        )
    add_view(
        routes,
        f"{PATH}/summary",
        _view(reader, SUMMARY),
        json.media_type,
        "Talk time and perceived emotion per speaker and over time.",
    )
    add_view(routes, PATH, _view(reader, json, inline=True), json.media_type, "The transcript as JSON.")
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
        responses=content_responses(media_type, RangeNotSatisfiable, *more),
        summary=summary,
        operation_id=f"get_{name}",
    )
    routes.add_api_route(path, view, methods=["HEAD"], include_in_schema=False)


def _view(reader: TranscriptReader, form: Format, *, inline: bool = False) -> View:
    def view(
        request: Request, caller: Reader, job_id: str, emotion: Emotion = None, original: Original = False
    ) -> Response:
        shown = reader.read(caller, job_id, emotion=emotion, original=original)
        name = file_name(shown.transcript.recording.name, form.suffix)
        rendered = form.render(shown.transcript, emotion=shown.emotion)
        return deliver_audited(
            reader,
            request,
            caller,
            job_id,
            Content.of(rendered, form.media_type, name, inline=inline),
            form.suffix,
            shown,
        )

    return view


def deliver_audited(
    reader: TranscriptReader,
    request: Request,
    caller: Caller,
    job_id: str,
    content: Content,
    suffix: str,
    shown: VisibleTranscript,
) -> Response:
    """Write an audit entry for every response that contains readings; a 304 contains none."""
    if not unchanged(request, content):
        action = "transcript.read" if content.inline else "transcript.exported"
        reader.record_audit(caller, action, job_id, format=suffix, emotion=shown.emotion)
    return deliver(request, content)

"""`GET /v1/transcripts/{id}` and its views: the transcript in every format of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.results.content_response import Content, deliver, unchanged
from services.results.dependencies import TranscriptCaller, Transcripts
from services.results.file_name import file_name
from services.results.openapi import content_responses
from shared.domain.error import RangeNotSatisfiable, UndertoneError
from shared.exports.formats import FORMATS, Format
from shared.exports.summary import render_summary
from shared.exports.svg import DRAWINGS
from shared.infra.transcript_reader import TranscriptReader, VisibleTranscript
from shared.infra.web.authenticator import Caller

Emotion = Annotated[
    bool | None,
    Query(description="`false` omits all readings. By default they are included if the key has `emotions:read`."),
]
Original = Annotated[bool, Query(description="Without corrections.")]

COLLECTION = "/v1/transcripts"
PATH = COLLECTION + "/{job_id}"
SUMMARY = Format("summary.json", "application/json", render_summary)
View = Callable[..., Response]

router = APIRouter(tags=["transcripts"])


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


def _view(form: Format, *, inline: bool = False) -> View:
    def view(
        request: Request,
        transcripts: Transcripts,
        caller: TranscriptCaller,
        job_id: str,
        emotion: Emotion = None,
        original: Original = False,
    ) -> Response:
        shown = transcripts.read(caller, job_id, emotion=emotion, original=original)
        name = file_name(shown.transcript.recording.name, form.suffix)
        rendered = form.render(shown.transcript, emotion=shown.emotion)
        content = Content.of(rendered, form.media_type, name, inline=inline)
        return deliver_audited(transcripts, request, caller, job_id, content, form.suffix, shown)

    return view


def deliver_audited(
    transcripts: TranscriptReader,
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
        transcripts.record_audit(caller, action, job_id, format=suffix, emotion=shown.emotion)
    return deliver(request, content)


_JSON = FORMATS["json"]
for _form in FORMATS.values():
    _suffix = _form.suffix
    add_view(router, f"{PATH}.{_suffix}", _view(_form), _form.media_type, f"The transcript as .{_suffix}.")
_ABOUT = "Talk time and perceived emotion per speaker and over time."
add_view(router, f"{PATH}/summary", _view(SUMMARY), _JSON.media_type, _ABOUT)
for _form in DRAWINGS.values():
    add_view(router, f"{PATH}/summary/{_form.suffix}", _view(_form), _form.media_type, f"A drawing: {_form.suffix}.")
add_view(router, PATH, _view(_JSON, inline=True), _JSON.media_type, "The transcript as JSON.")

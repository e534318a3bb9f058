"""`/shared/{token}/…`: the transcript and the recording of a shared meeting, for anyone who has its link."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.results.content_response import Content, deliver, unchanged
from services.results.dependencies import Transcripts
from services.results.file_name import file_name
from services.results.media import deliver_recording
from services.results.openapi import content_responses
from services.results.views import View
from shared.domain.error import MediaDeleted, NotFound, RangeNotSatisfiable
from shared.domain.share_link import ShareLink
from shared.exports.formats import FORMATS, Format
from shared.infra.web.authenticator import Caller
from shared.infra.web.share_links import PREFIX

PATH = PREFIX + "{token}"
TOKEN = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}, "description": "Of the link."}
# The address of the page is a secret, which other sites and search engines must not learn.
PRIVATE_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow, noarchive"}

router = APIRouter(tags=["links"])


def link_of(caller: Caller) -> ShareLink:
    if caller.link is None:
        raise link_ended()
    return caller.link


def link_ended() -> NotFound:
    return NotFound("This link does not exist, or it has ended.", hint="Ask the sender for a new link.")


def guest(request: Request) -> Caller:
    """The caller that authentication has found by the link."""
    caller: Caller | None = request.state.caller
    if caller is None:
        raise link_ended()
    return caller


Guest = Annotated[Caller, Depends(guest)]


def _view(form: Format) -> View:
    def view(request: Request, transcripts: Transcripts, caller: Guest) -> Response:
        link = link_of(caller)
        shown = transcripts.read(caller, link.job_id)
        name = file_name(shown.transcript.recording.name, form.suffix)
        content = Content.of(form.render(shown.transcript, emotion=shown.emotion), form.media_type, name)
        if not unchanged(request, content):
            transcripts.record_audit(caller, "link.used", link.job_id, link=link.id, format=form.suffix)
        return _private(deliver(request, content))

    return view


def view_recording(request: Request, transcripts: Transcripts, caller: Guest) -> Response:
    link = link_of(caller)
    if not link.sound:
        raise NotFound("This link shows the transcript only.")
    return _private(
        deliver_recording(request, transcripts, caller, link.job_id, "link.used", link=link.id, format="recording")
    )


def _private(response: Response) -> Response:
    response.headers.update(PRIVATE_HEADERS)
    return response


def _add(path: str, view: View, media_type: str, summary: str, name: str) -> None:
    router.add_api_route(
        path,
        view,
        methods=["GET"],
        response_class=Response,
        responses=content_responses(media_type, RangeNotSatisfiable, MediaDeleted),
        summary=summary,
        operation_id=name,
        openapi_extra={"parameters": [TOKEN]},  # authentication reads it
    )
    router.add_api_route(path, view, methods=["HEAD"], include_in_schema=False)


for _form in FORMATS.values():
    _about = f"The shared transcript as .{_form.suffix}."
    _add(f"{PATH}/transcript.{_form.suffix}", _view(_form), _form.media_type, _about, f"get_shared_{_form.suffix}")
_add(f"{PATH}/media", view_recording, "*/*", "The shared recording.", "get_shared_media")

"""The page of a shared meeting, for anyone who has its link: read-only, and nothing but this meeting."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.results.media import media_type_of
from services.results.page.context import PageContext, Pages
from services.results.page.lines import lines_of
from services.results.page.render import page
from services.results.page.ribbon import duration_of, lanes_of
from services.results.shared_views import PATH, PRIVATE_HEADERS, guest, link_of
from shared.domain.emotion import EMOTIONS
from shared.domain.error import UndertoneError
from shared.domain.job_blobs import recording_key
from shared.exports.formats import FORMATS
from shared.infra.web.api_keys import Caller
from shared.infra.web.share_links import PREFIX

router = APIRouter(include_in_schema=False)


@router.get(PATH)
def show_shared(request: Request, pages: Pages, token: str) -> Response:
    try:
        response = _meeting(pages, guest(request), token)
    except UndertoneError as error:
        response = page("shared_ended.html", status=error.http_status, error=error)
    response.headers.update(PRIVATE_HEADERS)
    return response


def _meeting(pages: PageContext, caller: Caller, token: str) -> Response:
    link, transcripts = link_of(caller), pages.transcripts
    shown = transcripts.read(caller, link.job_id)
    media = link.sound and transcripts.blobs.size(caller.tenant, recording_key(link.job_id))
    kind = media_type_of(transcripts.blobs, caller.tenant, link.job_id) if media else None
    transcripts.record_audit(caller, "link.used", link.job_id, link=link.id, format="page")
    return page(
        "shared.html",
        base=f"{PREFIX}{token}",
        link=link,
        transcript=shown.transcript,
        lines=lines_of(shown.transcript, emotion=shown.emotion),
        lanes=lanes_of(shown.transcript, emotion=shown.emotion),
        duration=duration_of(shown.transcript),
        media=kind,
        emotion=shown.emotion,
        emotions=EMOTIONS,
        formats=list(FORMATS),
    )

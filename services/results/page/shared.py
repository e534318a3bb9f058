"""The pages of a shared meeting, which need only its link: read-only, without other meetings."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.results.media import media_type_of
from services.results.page.context import PageContext, Pages
from services.results.page.lines import lines_of
from services.results.page.render import page, streamed_page
from services.results.page.ribbon import duration_of, lanes_of
from services.results.page.summary import sections_of
from services.results.shared_views import PATH, PRIVATE_HEADERS, guest, link_of
from shared.domain.emotion import EMOTIONS
from shared.domain.error import UndertoneError
from shared.domain.job_blobs import recording_key
from shared.domain.share_link import ShareLink
from shared.exports.formats import FORMATS
from shared.infra.transcript_reader import VisibleTranscript
from shared.infra.web.authenticator import Caller
from shared.infra.web.share_links import PREFIX

router = APIRouter(include_in_schema=False)
Render = Callable[[PageContext, Caller, ShareLink, VisibleTranscript, str], Response]


@router.get(PATH)
def show_shared(request: Request, pages: Pages, token: str) -> Response:
    return _show(request, pages, token, "page", _meeting)


@router.get(f"{PATH}/summary")
def show_shared_summary(request: Request, pages: Pages, token: str) -> Response:
    return _show(request, pages, token, "summary page", _summary)


def _show(request: Request, pages: PageContext, token: str, name: str, render: Render) -> Response:
    try:
        caller = guest(request)
        link = link_of(caller)
        shown = pages.transcripts.read(caller, link.job_id)
        pages.transcripts.record_audit(caller, "link.used", link.job_id, link=link.id, format=name)
        response = render(pages, caller, link, shown, f"{PREFIX}{token}")
    except UndertoneError as error:
        response = page("shared_ended.html", status=error.http_status, error=error)
    response.headers.update(PRIVATE_HEADERS)
    return response


def _meeting(pages: PageContext, caller: Caller, link: ShareLink, shown: VisibleTranscript, base: str) -> Response:
    transcripts = pages.transcripts
    media = link.sound and transcripts.blobs.size(caller.tenant, recording_key(link.job_id))
    return streamed_page(
        "shared.html",
        base=base,
        link=link,
        transcript=shown.transcript,
        lines=lines_of(shown.transcript, emotion=shown.emotion),
        readings=None,
        lanes=lanes_of(shown.transcript, emotion=shown.emotion),
        duration=duration_of(shown.transcript),
        text_only=transcripts.record(caller, link.job_id).job.text_only,
        media=media_type_of(transcripts.blobs, caller.tenant, link.job_id) if media else None,
        media_expires_at=None,
        media_url=f"{base}/media",
        captions_url=f"{base}/transcript.vtt",
        shares_sound=link.sound,
        may_edit=False,
        emotion=shown.emotion,
        emotions=EMOTIONS,
        formats=list(FORMATS),
    )


def _summary(_pages: PageContext, _caller: Caller, link: ShareLink, shown: VisibleTranscript, base: str) -> Response:
    return page("shared_summary.html", **sections_of(shown), link=link, meeting_url=base)

"""The page of all meetings: upload, state and search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.results.page.context import PageContext, Pages, TranscriptCaller
from services.results.page.days import day
from services.results.page.render import page
from services.results.search import search
from shared.domain.emotion import EMOTIONS, Emotion
from shared.domain.error import InvalidRequest
from shared.domain.governance import Purpose
from shared.domain.tenant import Scope
from shared.infra.web.authenticator import Caller

PER_PAGE = 50
ASKED = ("q", "speaker", "emotion", "first", "last")  # fields of the form for searching
# What helps after a failure, by the code of the job's error.
HELP = {
    "no_audio": "Choose a recording with sound.",
    "unsupported_media": "Convert it to mp4, m4a, mp3, wav, flac, ogg or webm.",
    "empty_file": "Export the recording again.",
    "decode_failed": "Export the recording again; the file is damaged.",
    "media_too_large": "Split the recording, or ask the operator for a higher limit.",
    "invalid_transcript": "Upload the recording again without the transcript.",
    "engine_unavailable": "Ask the operator to fetch the weights (undertone models fetch), then retry.",
    "timed_out": "Retry at a time of less load, or ask the operator for a higher limit.",
    "poisoned": "Three attempts ended without a result. Retry; if it happens again, ask the operator for the log.",
}
ANY = "Retry. If it happens again, ask the operator for the log."

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_meetings(
    pages: Pages, caller: TranscriptCaller, cursor: Annotated[str | None, Query(max_length=500)] = None
) -> Response:
    found = pages.transcripts.jobs.list(caller.tenant, cursor=cursor, limit=PER_PAGE)
    return page(
        "meetings.html",
        jobs=found.items,
        next_cursor=found.next_cursor,
        help=HELP,
        any_help=ANY,
        asked=dict.fromkeys(ASKED, ""),
        emotions=EMOTIONS if caller.has_scope(Scope.EMOTIONS_READ) else (),
        may_manage=caller.has_scope(Scope.WEBHOOKS_WRITE),
        may_write=caller.has_scope(Scope.RECORDINGS_WRITE),
        purposes=[purpose.value for purpose in Purpose],
        keyless=pages.keyless,
    )


@router.post("/search")
async def show_search(request: Request, pages: Pages, caller: TranscriptCaller) -> Response:
    """A form and not a link: what people search for stays out of addresses and of the browser's history."""
    form = parse_qs((await request.body()).decode(errors="replace"))
    asked = {name: form.get(name, [""])[0].strip()[:200] for name in ASKED}
    return await anyio.to_thread.run_sync(_search, pages, caller, asked, form.get("cursor", [None])[0])


def _search(pages: PageContext, caller: Caller, asked: Mapping[str, str], cursor: str | None) -> Response:
    emotions = EMOTIONS if caller.has_scope(Scope.EMOTIONS_READ) else ()
    shown: dict[str, Any] = {"asked": asked, "emotions": emotions, "keyless": pages.keyless}
    try:
        found = search(
            pages.transcripts,
            caller,
            q=asked["q"] or None,
            emotion=Emotion(asked["emotion"]) if asked["emotion"] in emotions else None,
            speaker=asked["speaker"] or None,
            created_from=day(asked["first"]),
            created_before=day(asked["last"], after=1),
            cursor=cursor,
            limit=PER_PAGE,
        )
    except InvalidRequest as error:
        return page("search.html", status=422, found=None, error=error, **shown)
    return page("search.html", found=found, error=None, **shown)

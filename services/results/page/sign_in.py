"""Signs a browser in with an API key, and out."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.results.page.context import Pages, TranscriptCaller
from services.results.page.render import HEADERS, page
from shared.domain.error import InsufficientScope, InvalidApiKey
from shared.infra.web.sessions import check_same_origin, cookie_header, session_token

SIGN_IN = "/sign-in"
_PAGE = re.compile(r"/(meetings/[0-9A-Za-z_-]{1,64}(/summary)?|manage(/[0-9A-Za-z_-]{1,64}){0,2})?")
UNAUTHORIZED = 401

router = APIRouter(include_in_schema=False)


def _target(next_page: str) -> str:
    """Only the service's own pages, so that a link cannot lead elsewhere after the sign-in."""
    return next_page if _PAGE.fullmatch(next_page) else "/"


@router.get(SIGN_IN)
def show_sign_in(pages: Pages, next: str = "/") -> Response:  # noqa: A002 - the usual name
    if pages.keyless:
        return RedirectResponse("/", 303)
    return page("sign_in.html", next=_target(next), error=None)


@router.post(SIGN_IN)
async def sign_in(request: Request, pages: Pages) -> Response:
    check_same_origin(request.method, request.headers)
    form = parse_qs((await request.body()).decode(errors="replace"))
    text, target = form.get("key", [""])[0].strip(), _target(form.get("next", ["/"])[0])
    address = request.client.host if request.client else None
    try:
        token = await anyio.to_thread.run_sync(pages.sign_in, text, address)
    except (InvalidApiKey, InsufficientScope) as error:
        return page("sign_in.html", status=error.http_status, next=target, error=error)
    return _redirect(request, target, token)


@router.post("/sign-out")
def sign_out(request: Request, pages: Pages, caller: TranscriptCaller) -> Response:
    if (token := session_token(request.headers)) is not None:
        pages.sessions.end(token)
        pages.transcripts.record_audit(caller, "session.ended", caller.id)
    return _redirect(request, SIGN_IN, "")


def _redirect(request: Request, target: str, token: str) -> Response:
    cookie = cookie_header(token, secure=request.url.scheme == "https")
    return RedirectResponse(target, 303, {**HEADERS, "Set-Cookie": cookie})


class SignInRedirect:
    """Sends a browser that opens a page without a session to the sign-in instead of a problem.

    A browser that follows a link of another site sends no strict cookie; it opens the page again from a page of this
    site, which sends it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _PAGE.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        linked = Headers(scope=scope).get("sec-fetch-site") == "cross-site"
        again = page("again.html", path=scope["path"])
        answer = again if linked else RedirectResponse(f"{SIGN_IN}?next={quote(scope['path'])}", 303)
        redirected = False

        async def redirect(message: Message) -> None:
            nonlocal redirected
            if message["type"] == "http.response.start" and message["status"] == UNAUTHORIZED:
                redirected = True
                await answer(scope, receive, send)
            elif not redirected:
                await send(message)

        await self._app(scope, receive, redirect)

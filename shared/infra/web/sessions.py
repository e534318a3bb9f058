"""The cookie of a signed-in browser, and the check that a request with it comes from the service's own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import cookie_parser

from shared.domain.error import HostNotAllowed
from shared.infra.database.sessions import DURATION

COOKIE = "undertone_session"
MAX_LENGTH = 100
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def session_token(headers: Mapping[str, str]) -> str | None:
    # The parser of the standard library stops at a cookie that another service of this host has set badly.
    token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return token if 0 < len(token) <= MAX_LENGTH else None


def cookie_header(token: str, *, secure: bool) -> str:
    """The Set-Cookie header of a new session, or of an ended one if the token is empty."""
    seconds = int(DURATION.total_seconds()) if token else 0
    transport = "; Secure" if secure else ""
    return f"{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{transport}"


def check_same_origin(method: str, headers: Mapping[str, str]) -> None:
    """Raise if the request changes state and another site's page may have sent it.

    Browsers send Sec-Fetch-Site over TLS and to loopback addresses, and Origin in every case.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get("sec-fetch-site")
    if site == "same-origin" or (site is None and _host(headers.get("origin")) == headers.get("host", "").lower()):
        return
    raise HostNotAllowed("Only the pages of this service may send this request with a session.")


def _host(origin: str | None) -> str | None:
    try:
        return urlsplit(origin or "").netloc.lower() or None
    except ValueError:
        return None

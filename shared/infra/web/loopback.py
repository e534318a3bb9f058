"""Keyless mode answers only programs on this machine; a web page in its user's browser is none of them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.domain.error import HostNotAllowed

# What a proxy in front adds: then the requests come from elsewhere, whatever address they show.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_local(headers: Mapping[str, str], client: str | None) -> None:
    """Against DNS rebinding: a foreign page can make a browser call us, but not under a name that is ours."""
    if client is not None and not is_loopback(client):
        raise HostNotAllowed("Without a key only programs on this machine are answered.")
    if any(name in headers for name in FORWARDED):
        raise HostNotAllowed("Without keys there can be no proxy in front.", hint="Set GATEWAY__KEYLESS=false.")
    if not is_loopback(_host(f"//{headers.get('host', '')}")):
        raise HostNotAllowed("Without a key this is only answered under a loopback address.", hint="Use 127.0.0.1.")
    origin = headers.get("origin")
    if origin is not None and not is_loopback(_host(origin)):
        raise HostNotAllowed("Another site's page may not use this service.")
    if headers.get("sec-fetch-site", "none") == "cross-site":
        raise HostNotAllowed("Another site's page may not use this service.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""

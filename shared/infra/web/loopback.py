"""Restricts keyless mode to programs on this machine, and rejects web pages in the user's browser."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.domain.error import HostNotAllowed

# Headers that a reverse proxy adds; requests with them come from other machines.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_local(headers: Mapping[str, str], client: str | None) -> None:
    """Raises unless the request is local; checks Host and Origin to prevent DNS rebinding by web pages."""
    if client is not None and not is_loopback(client):
        raise HostNotAllowed("Keyless mode allows only programs on this machine.")
    if any(name in headers for name in FORWARDED):
        raise HostNotAllowed("Keyless mode cannot be used behind a reverse proxy.", hint="Set GATEWAY__KEYLESS=false.")
    if not is_loopback(_host(f"//{headers.get('host', '')}")):
        raise HostNotAllowed("Keyless mode allows only loopback addresses in the Host header.", hint="Use 127.0.0.1.")
    origin = headers.get("origin")
    if origin is not None and not is_loopback(_host(origin)):
        raise HostNotAllowed("Web pages of other sites may not use this service.")
    if headers.get("sec-fetch-site", "none") == "cross-site":
        raise HostNotAllowed("Web pages of other sites may not use this service.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""

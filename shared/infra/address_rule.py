"""Parses outbound URLs and checks the addresses that their host names resolve to (protection against SSRF)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import quote

import idna
from pydantic import StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import AddressBlocked
from shared.infra.comma_list import CommaList

Address = IPv4Address | IPv6Address
LowerCase = Annotated[str, StringConstraints(to_lower=True)]

# `is_global` alone lets through NAT64, IPv4-compatible, site-local and, in some versions of Python, 6to4 addresses.
GLOBAL_UNICAST = IPv6Network("2000::/3")
NOT_PUBLIC = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
RELAYS_6TO4 = IPv4Network("192.88.99.0/24")  # deprecated; `is_global` is true for it
# Ports of databases, brokers, caches, directories, remote desktops and control planes; none of them takes webhooks.
_DENIED = (
    "1433 1521 2049 2375 2376 2379 2380 3268 3306 3389 4369 5432 5672 5900 5984 6000 6379 6443 8500 "
    "9042 9092 9200 9300 10250 10255 11211 15672 25672 26379 27017"
)
DENIED_PORTS = frozenset(map(int, _DENIED.split()))
WEB_PORTS = {"https": 443, "http": 80}

_URL = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


class OutboundSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="OUTBOUND__", frozen=True)

    allow: CommaList[LowerCase] = ()
    """Private hosts, addresses or networks that may be called, such as your own platform servers."""

    plain_http: bool = False
    """Allow http in addition to https; the traffic is then not encrypted."""

    own_hosts: CommaList[LowerCase] = ()
    """The deployment's public host name and the names of its services; they are never called."""


def not_callable() -> AddressBlocked:
    """The same error for a blocked host and for one that does not exist, so that internal names cannot be probed."""
    return AddressBlocked(
        "The host name cannot be resolved, or calls to its address are not allowed.",
        hint="Check the host name; the operator can add an internal host to OUTBOUND__ALLOW.",
    )


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a parsed URL; requests are built from these parts, never from the original text."""

    scheme: str
    host: str  # ASCII, lower case, without brackets
    port: int
    path: str  # with the query; ASCII

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == WEB_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """Parses a URL and rejects every form that two parsers could read differently."""
    found = _URL.fullmatch(url)
    if found is None or any(sign == "\\" or unicodedata.category(sign)[0] in "CZ" for sign in url):
        raise AddressBlocked("The URL may have only a scheme, host, port, path and query: no user, fragment or spaces.")
    scheme = found["scheme"].lower()
    if scheme not in WEB_PORTS:
        raise AddressBlocked("Only https URLs are allowed.")
    port = int(found["port"] or WEB_PORTS[scheme])
    if (port not in WEB_PORTS.values() and not 1024 <= port <= 65535) or port in DENIED_PORTS:
        raise AddressBlocked(f"Port {port} is not allowed.", hint="Use 443, or another web port above 1023.")
    query = "" if found["query"] is None else f"?{found['query']}"
    path = quote((found["path"] or "/") + query, safe="%/:=&?~+!$,;'@()*[]-._")
    return Target(scheme=scheme, host=_host(found["host"]), port=port, path=path)


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise AddressBlocked("The host name is not valid.") from None
    try:
        name = (text if text.isascii() else idna.encode(text, uts46=True).decode()).lower().removesuffix(".")
    except idna.IDNAError:
        name = ""
    if not _NAME.fullmatch(name):
        raise AddressBlocked("The host name is not valid.")
    return name


def is_public(address: Address) -> bool:
    """Whether the address is on the public internet, including IPv4-mapped addresses."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC)
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast and address not in RELAYS_6TO4


class AddressPolicy:
    """Decides which addresses may be called. `loopback` allows loopback addresses, for a single-user local service."""

    def __init__(self, settings: OutboundSettings, *, loopback: bool = False) -> None:
        self._settings = settings
        self._loopback = loopback
        self._networks = [network for entry in settings.allow if (network := _network(entry))]
        self._hosts = {entry for entry in settings.allow if _network(entry) is None}

    def check(self, target: Target, answers: Sequence[str]) -> None:
        """Raises unless every resolved address is allowed, because a client may connect to any of them."""
        # An address with a scope, such as fe80::1%eth0, names a local interface and is never public.
        addresses = [ip_address(answer.partition("%")[0]) for answer in answers]
        own = target.host in self._settings.own_hosts
        if own or not addresses or not all(self._allowed(target.host, address) for address in addresses):
            raise not_callable()
        local = self._loopback and all(_is_loopback(address) for address in addresses)
        if target.scheme == "http" and not self._settings.plain_http and not local:
            raise AddressBlocked("Only https URLs are allowed.", hint="OUTBOUND__PLAIN_HTTP=true also allows http.")

    def _allowed(self, host: str, address: Address) -> bool:
        if is_public(address) or host in self._hosts or (self._loopback and _is_loopback(address)):
            return True
        plain = _unmapped(address)
        return any(plain in network for network in self._networks)


def _unmapped(address: Address) -> Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_loopback(address: Address) -> bool:
    return _unmapped(address).is_loopback


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None

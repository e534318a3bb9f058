"""Every request to an address that somebody told us: resolved once, judged, and sent to exactly what was judged."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin

import certifi
import httpcore

from shared.domain.error import OutboundFailed
from shared.infra.address_rule import AddressPolicy, OutboundSettings, Target, parse
from shared.infra.outbound_wire import PinnedBackend

Resolve = Callable[[str, int], Sequence[str]]
USER_AGENT = "undertone/1 (+webhooks)"
OK = 200
REDIRECTS = (301, 302, 303, 307, 308)
MAX_REDIRECTS = 3
# What must not travel on to another host.
PRIVATE_HEADERS = ("authorization", "cookie")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds until connected, until the next byte, and in all."""

    connect: float = 5.0
    next_byte: float = 10.0
    total: float = 15.0


WEBHOOK = Timeouts()
MEDIA = Timeouts(next_byte=30.0, total=3600.0)
EXCERPT = 1000  # bytes of an answer that are kept for the delivery log


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    status: int
    headers: Mapping[str, str]  # names in lower case
    excerpt: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Download:
    headers: Mapping[str, str]
    blocks: Iterator[bytes]


def resolve(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver says; how long it tries is its own setting (resolv.conf)."""
    return tuple(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def default_trust() -> ssl.SSLContext:
    """The machine's authorities, so that operators can add theirs, and the public ones where an image has none."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Outbound:
    """The one way out. Proxy variables of the environment have no say; nothing is decompressed."""

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        loopback: bool = False,
        resolve: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._rule = AddressPolicy(settings, loopback=loopback)
        self._resolve = resolve
        self._trust = trust

    def _trusted(self) -> ssl.SSLContext:
        """Read when the first request needs it: the authorities are 2 MB and 0.05 s."""
        if self._trust is None:
            self._trust = default_trust()
        return self._trust

    def check(self, url: str) -> None:
        """Whether the address could be called now: a fast error for whoever hands it in."""
        self._resolve_allowed(parse(url))

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, limits: Timeouts = WEBHOOK
    ) -> OutboundResponse:
        """Send it once; a redirect is an answer like any other."""
        began = time.monotonic()
        with self._request("POST", parse(url), headers, body, limits) as response:
            excerpt = bytearray()
            try:
                for block in response.iter_stream():
                    excerpt += block
                    if len(excerpt) >= EXCERPT:
                        break
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
                pass  # the status is here; what stands in the body changes nothing
            return OutboundResponse(
                status=response.status,
                headers=_headers(response),
                excerpt=bytes(excerpt[:EXCERPT]).decode(errors="replace"),
                seconds=time.monotonic() - began,
            )

    @contextmanager
    def fetching(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, limits: Timeouts = MEDIA
    ) -> Iterator[Download]:
        """Follow at most three redirects, each judged anew, and hand the bytes on as they come."""
        target = parse(url)
        sent = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            with self._request("GET", target, sent, None, limits) as response:
                found = _headers(response)
                if response.status in REDIRECTS and "location" in found:
                    following = parse(urljoin(target.url, found["location"]))
                    if (following.scheme, following.authority) != (target.scheme, target.authority):
                        sent = {name: value for name, value in sent.items() if name.lower() not in PRIVATE_HEADERS}
                    target = following
                    continue
                if response.status != OK:
                    raise OutboundFailed(f"The address answered {response.status}.", reason="status")
                yield Download(headers=found, blocks=_counted(response, found, max_bytes))
                return
        raise OutboundFailed(f"The address redirects more than {MAX_REDIRECTS} times.", reason="redirect")

    def _resolve_allowed(self, target: Target) -> Sequence[str]:
        try:
            answers = self._resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise OutboundFailed("The host's name leads nowhere.", reason="dns") from None
        self._rule.check(target, answers)
        return answers

    @contextmanager
    def _request(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, limits: Timeouts
    ) -> Iterator[httpcore.Response]:
        backend = PinnedBackend(self._resolve_allowed(target), deadline=time.monotonic() + limits.total)
        origin = httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port)
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=origin.port, target=target.path.encode())
        sent: list[tuple[bytes | str, bytes | str]] = [
            *headers.items(),
            ("Host", target.authority),
            ("User-Agent", USER_AGENT),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        waits = {"connect": limits.connect, "read": limits.next_byte, "write": limits.next_byte, "pool": 0.0}
        with (
            _mapped_errors(),
            httpcore.HTTPConnection(origin, ssl_context=self._trusted(), network_backend=backend) as connection,
            connection.stream(method, url, headers=sent, content=body, extensions={"timeout": waits}) as response,
        ):
            yield response


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _counted(response: httpcore.Response, headers: Mapping[str, str], max_bytes: int) -> Iterator[bytes]:
    too_large = OutboundFailed(f"The file is larger than {max_bytes} bytes.", reason="too_large")
    if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > max_bytes:
        raise too_large  # a hint, but one that saves the way
    size = 0
    for block in response.iter_stream():
        size += len(block)
        if size > max_bytes:
            raise too_large
        yield block


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Which class of failure it was; never where, for that could be a map of our network."""
    try:
        yield
    except httpcore.TimeoutException:
        raise OutboundFailed("The address did not answer in time.", reason="timeout") from None
    except httpcore.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
            raise OutboundFailed("The address could not prove that it is itself (TLS).", reason="tls") from None
        raise OutboundFailed("The address could not be reached.", reason="connect") from None
    except (httpcore.NetworkError, httpcore.ProtocolError):
        raise OutboundFailed("The address broke off, or did not speak HTTP.", reason="protocol") from None

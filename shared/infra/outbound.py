"""Sends HTTP requests to user-supplied URLs: resolved once, checked, and sent only to the checked addresses."""

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
# Headers that are removed on a redirect to another host.
PRIVATE_HEADERS = ("authorization", "cookie")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: to connect, for the next byte, and in total."""

    connect: float = 5.0
    next_byte: float = 10.0
    total: float = 15.0


WEBHOOK = Timeouts()
MEDIA = Timeouts(next_byte=30.0, total=3600.0)
EXCERPT = 1000  # bytes of a response that are kept for the delivery log


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
    """Resolves a host name with the system resolver; its timeout is set in resolv.conf."""
    return tuple(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def default_trust() -> ssl.SSLContext:
    """Trusts the system's certificate authorities, which operators can extend, and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Outbound:
    """HTTP client for all requests to user-supplied URLs; ignores proxy variables and decompresses nothing."""

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
        """Loads the certificate authorities on the first request, because they take 2 MB and 0.05 s."""
        if self._trust is None:
            self._trust = default_trust()
        return self._trust

    def check(self, url: str) -> None:
        """Raises if the URL may not be called, so that the client gets the error immediately."""
        self._resolve_allowed(parse(url))

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, limits: Timeouts = WEBHOOK, method: str = "POST"
    ) -> OutboundResponse:
        """Sends the body once and does not follow redirects; some receivers require PUT."""
        began = time.monotonic()
        with self._request(method, parse(url), headers, body, limits) as response:
            excerpt = bytearray()
            try:
                for block in response.iter_stream():
                    excerpt += block
                    if len(excerpt) >= EXCERPT:
                        break
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
                pass  # the status is known; the rest of the body is not needed
            return OutboundResponse(
                status=response.status,
                headers=_headers(response),
                excerpt=bytes(excerpt[:EXCERPT]).decode(errors="replace"),
                seconds=time.monotonic() - began,
            )

    def exchange(self, url: str, body: bytes, headers: Mapping[str, str], *, max_bytes: int, limits: Timeouts) -> bytes:
        """Sends the body once and returns the whole response; follows no redirects."""
        with self._request("POST", parse(url), headers, body, limits) as response:
            if response.status != OK:
                raise OutboundFailed(f"The server returned status {response.status}.", reason="status")
            return b"".join(_counted(response, _headers(response), max_bytes))

    @contextmanager
    def fetching(
        self, url: str, headers: Mapping[str, str], *, max_bytes: int, limits: Timeouts = MEDIA
    ) -> Iterator[Download]:
        """Streams a download; follows at most three redirects and checks each."""
        target = parse(url)
        sent = dict(headers)
        for _ in range(MAX_REDIRECTS + 1):
            with self._request("GET", target, sent, None, limits) as response:
                found = _headers(response)
                if response.status in REDIRECTS and "location" in found:
                    following = parse(_joined(target.url, found["location"]))
                    if (following.scheme, following.authority) != (target.scheme, target.authority):
                        sent = {name: value for name, value in sent.items() if name.lower() not in PRIVATE_HEADERS}
                    target = following
                    continue
                if response.status != OK:
                    raise OutboundFailed(f"The server returned status {response.status}.", reason="status")
                yield Download(headers=found, blocks=_counted(response, found, max_bytes))
                return
        raise OutboundFailed(f"The server redirected more than {MAX_REDIRECTS} times.", reason="redirect")

    def _resolve_allowed(self, target: Target) -> Sequence[str]:
        try:
            answers = self._resolve(target.host, target.port)
        except (OSError, UnicodeError):
            raise OutboundFailed("The host name cannot be resolved.", reason="dns") from None
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


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:
        raise OutboundFailed("The server redirected to an invalid URL.", reason="redirect") from None


def _headers(response: httpcore.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _counted(response: httpcore.Response, headers: Mapping[str, str], max_bytes: int) -> Iterator[bytes]:
    too_large = OutboundFailed(f"The file is larger than {max_bytes} bytes.", reason="too_large")
    if headers.get("content-length", "").isdigit() and int(headers["content-length"]) > max_bytes:
        raise too_large  # the header is only a hint, but it avoids the download
    size = 0
    for block in response.iter_stream():
        size += len(block)
        if size > max_bytes:
            raise too_large
        yield block


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """Maps httpcore errors to OutboundFailed without addresses, which could reveal the internal network."""
    try:
        yield
    except httpcore.TimeoutException:
        raise OutboundFailed("The server did not respond in time.", reason="timeout") from None
    except httpcore.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
            raise OutboundFailed("The server's TLS certificate could not be verified.", reason="tls") from None
        raise OutboundFailed("The server cannot be reached.", reason="connect") from None
    except (httpcore.NetworkError, httpcore.ProtocolError):
        raise OutboundFailed("The server closed the connection or sent invalid HTTP.", reason="protocol") from None

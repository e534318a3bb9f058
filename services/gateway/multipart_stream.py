"""Parses multipart bodies as a stream, without buffering parts in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from shared.domain.error import InvalidRequest, MalformedBody, UnsupportedContentType


@dataclass(frozen=True, slots=True)
class PartLimits:
    parts: int = 64
    files: int = 17  # the recording and sixteen tracks or transcripts
    fields: int = 64 * 1024  # bytes of all fields together


@dataclass(slots=True)
class FormPart:
    """One part; its blocks can be read once, before the next part is requested."""

    name: str
    filename: str | None  # only a label, never used as a path
    blocks: Iterator[bytes] = field(repr=False)


def boundary_of(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise UnsupportedContentType("This call accepts multipart/form-data, media, or JSON.")
    boundary: str = options.get("boundary", "")
    if not 1 <= len(boundary) <= 200:
        raise MalformedBody("The multipart body has no valid boundary.")
    return boundary


def read_parts(blocks: Iterable[bytes], boundary: str, limits: PartLimits) -> Iterator[FormPart]:
    """Yields the parts in order; the rest of a part that was not read completely is skipped."""
    events = _events(blocks, boundary, limits)
    files = 0
    for event in events:
        if not isinstance(event, MultipartSegment):
            continue  # the rest of a part that was not read
        if event.filename is not None:
            files += 1
            if files > limits.files:
                raise InvalidRequest(f"The body has more than {limits.files} files.")
        yield FormPart(event.name or "", event.filename, _content(events))


def _events(blocks: Iterable[bytes], boundary: str, limits: PartLimits) -> Iterator[MultipartSegment | bytes | None]:
    try:
        # Strict mode rejects the usual line break after the last boundary if it arrives in its own block.
        with PushMultipartParser(boundary, max_segment_count=limits.parts) as parser:
            for block in blocks:
                yield from parser.parse(block)
    except (MultipartError, UnicodeError):
        raise MalformedBody("The multipart body is malformed, or has too many or too large headers or parts.") from None


def _content(events: Iterator[MultipartSegment | bytes | None]) -> Iterator[bytes]:
    for event in events:
        if event is None:
            return
        assert isinstance(event, bytes | bytearray)  # noqa: S101 - the parser closes a part before it opens another
        yield bytes(event)


class FieldReader:
    """Reads form fields into memory, with a limit on their total size."""

    def __init__(self, limits: PartLimits) -> None:
        self._left = limits.fields

    def read(self, part: FormPart) -> str:
        content = bytearray()
        for block in part.blocks:
            self._left -= len(block)
            if self._left < 0:
                raise InvalidRequest("The form fields are too long.", hint="Send large values as files.")
            content += block
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise InvalidRequest("A form field is not UTF-8.") from None

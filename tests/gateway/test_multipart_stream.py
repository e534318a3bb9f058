"""Tests of the multipart parser: any block boundaries give the same parts, and unread parts are skipped."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from shared.domain.error import MalformedBody, UnsupportedContentType

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a;b\\"c.mp4"\r\nContent-Type: video/mp4\r\n\r\n'
    b"one\r\n--not-b\r\ntwo\r\n"
    b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n'
    b'--b\r\nContent-Disposition: form-data; name="empty"; filename=""\r\n\r\n\r\n--b--\r\nepilogue'
)
LIMITS = PartLimits()


def read_all(*pieces: bytes) -> list[tuple[str, str | None, bytes]]:
    return [(part.name, part.filename, b"".join(part.blocks)) for part in read_parts(pieces, "b", LIMITS)]


@given(st.lists(st.integers(0, len(FORM)), max_size=20))
def test_parts_do_not_depend_on_block_boundaries(cuts: list[int]) -> None:
    edges = sorted({0, len(FORM), *cuts})
    pieces = [FORM[start:end] for start, end in pairwise(edges)]
    assert read_all(*pieces) == [
        ("file", 'a;b"c.mp4', b"one\r\n--not-b\r\ntwo"),
        ("language", None, b"en"),
        ("empty", "", b""),
    ]


def test_unread_part_is_skipped() -> None:
    reader = FieldReader(LIMITS)
    read = [reader.read(part) for part in read_parts([FORM], "b", LIMITS) if part.name == "language"]
    assert read == ["en"]


def test_truncated_form_is_rejected() -> None:
    for end in (10, 150, len(FORM) - 13):
        with pytest.raises(MalformedBody):
            read_all(FORM[:end])


def test_boundary_requires_multipart_form_data() -> None:
    assert boundary_of('Multipart/Form-Data; charset=utf-8; boundary="a b"') == "a b"
    with pytest.raises(UnsupportedContentType):
        boundary_of("multipart/mixed; boundary=b")

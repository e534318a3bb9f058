"""Fills an arrival from any of the bodies that a recording may come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from services.gateway.repeats import beating
from services.gateway.tus_headers import read_metadata
from shared.domain.asked import Asked, AskedByAddress, TrackAddress
from shared.domain.error import InvalidRequest, OutboundFailed, UnknownContentType, UploadTooLarge
from shared.infra.intake import Arrival
from shared.infra.outbound import Outbound
from shared.infra.web.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from shared.ports.uploads import UploadStore

MOST_JSON = 64 * 1024
JOINED = ("modalities", "engines")  # fields that a form may repeat
Model = TypeVar("Model", bound=BaseModel)
Do = Callable[[], None]
Put = Callable[[str | None, Iterator[bytes]], None]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Filled:
    """What was asked, and the source by which a repeat is recognized."""

    asked: Asked
    source: str
    fetch: Do = _nothing  # what is not in the request itself comes only if this is no repeat
    taken: Do = _nothing  # once the job is there


@dataclass(frozen=True, slots=True)
class Filler:
    content_type: str
    query: Sequence[tuple[str, str]]
    outbound: Outbound
    uploads: UploadStore
    most_bytes: int

    def read(self, arrival: Arrival, blocks: Iterator[bytes], beat: Do) -> Filled:
        kind = self.content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return self._form(arrival, blocks)
        if kind == "application/json":
            return self._address(arrival, checked(AskedByAddress, _whole(blocks)), beat)
        if kind in ("", "application/octet-stream") or kind.startswith(("audio/", "video/")):
            fields = _once_each(self.query)
            name = fields.pop("name", None)
            asked = checked(Asked, fields)  # before the bytes come: a mistake is said at once
            arrival.put_recording(name, blocks)
            return Filled(asked, arrival.hashes)
        raise UnknownContentType(
            "This call takes multipart/form-data, audio, video, application/octet-stream, or JSON.",
            mend="Name what you send in Content-Type.",
        )

    def _address(self, arrival: Arrival, asked: AskedByAddress, beat: Do) -> Filled:
        plain = checked(Asked, asked.model_dump(exclude={"url", "upload", "name", "tracks"}))
        tenant, upload_id = arrival.caller.tenant, asked.upload
        tracks = "".join(f" track {track.name} {track.url}" for track in asked.tracks)
        if upload_id is None:
            url = asked.url or ""
            bring: Do = partial(self._fetch, arrival, arrival.put_recording, url, asked.name, beat)
            return Filled(plain, f"url {url}{tracks}", partial(self._all, arrival, bring, asked.tracks, beat))
        bring = partial(self._take, arrival, upload_id, asked.name, beat)
        taken = partial(self.uploads.delete, tenant, upload_id)
        return Filled(
            plain, f"upload {upload_id}{tracks}", partial(self._all, arrival, bring, asked.tracks, beat), taken
        )

    def _all(self, arrival: Arrival, bring: Do, tracks: Sequence[TrackAddress], beat: Do) -> None:
        for track in tracks:  # before the recording comes: a mistake is said at once; each is judged again when called
            self.outbound.check(track.url)
        bring()
        for track in tracks:
            self._fetch(arrival, arrival.put_track, track.url, track.name, beat)

    def _form(self, arrival: Arrival, blocks: Iterator[bytes]) -> Filled:
        limits = PartLimits()
        reader = FieldReader(limits)
        fields: list[tuple[str, str]] = []
        for part in read_parts(blocks, boundary_of(self.content_type), limits):
            if part.name == "file":
                arrival.put_recording(part.filename, part.blocks)
            elif part.name == "track":
                arrival.put_track(part.filename, part.blocks)
            elif part.name == "transcript":
                arrival.put_transcript(part.filename, part.blocks)
            elif part.filename is not None:
                raise InvalidRequest("A file comes as `file`, `track` or `transcript`.")
            else:
                fields.append((part.name, reader.read(part)))
        return Filled(checked(Asked, _once_each(fields)), arrival.hashes)

    def _fetch(self, arrival: Arrival, put: Put, url: str, name: str | None, beat: Do) -> None:
        """A recording and its tracks have together what one request may bring."""
        try:
            with self.outbound.fetching(url, {}, at_most=self.most_bytes - arrival.size) as download:
                label = name or unquote(urlsplit(url).path)
                put(label, beating(download.blocks, beat))
        except OutboundFailed as error:
            if error.reason == "too_large":
                raise UploadTooLarge(error.message) from None
            raise

    def _take(self, arrival: Arrival, upload_id: str, name: str | None, beat: Do) -> None:
        with self.uploads.taking(arrival.caller.tenant, upload_id) as (upload, blocks):
            label = name or read_metadata(upload.metadata).get("filename")
            arrival.put_recording(label, beating(blocks, beat))


def checked(model: type[Model], fields: Mapping[str, Any] | bytes) -> Model:
    """The fields as a value, or which of them are wrong; what stood in them is not repeated."""
    try:
        if isinstance(fields, bytes):
            return model.model_validate_json(fields)
        return model.model_validate(fields)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in found]) from None


def _whole(blocks: Iterator[bytes]) -> bytes:
    content = bytearray()
    for block in blocks:
        content += block
        if len(content) > MOST_JSON:
            raise UploadTooLarge(f"The JSON is longer than {MOST_JSON} bytes.")
    return bytes(content)


def _once_each(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif name in JOINED:
            fields[name] += f",{value}"
        else:
            raise InvalidRequest("A field is given more than once.")
    return fields

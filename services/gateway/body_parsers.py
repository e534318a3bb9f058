"""Parses the request body of an upload: a form, a raw body, or JSON with a URL or an upload id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from services.gateway.idempotency import with_heartbeat
from services.gateway.job_intake import IncomingUpload
from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from services.gateway.tus_headers import read_metadata
from shared.domain.error import InvalidRequest, OutboundFailed, UnsupportedContentType, UploadTooLarge
from shared.domain.job_request import JobRequest, JobRequestByUrl, TrackAddress
from shared.infra.outbound import Outbound
from shared.ports.uploads import UploadStore

MAX_JSON = 64 * 1024
LIST_FIELDS = ("modalities", "engines")  # fields that a form may repeat
Model = TypeVar("Model", bound=BaseModel)
Action = Callable[[], None]
StoreMedia = Callable[[str | None, Iterator[bytes]], None]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Submission:
    """The parsed request, and the source that identifies a repeated request."""

    request: JobRequest
    source: str
    fetch: Action = _nothing  # downloads what is not in the body; skipped for a repeat
    delete_upload: Action = _nothing  # after the job is created


@dataclass(frozen=True, slots=True)
class BodyParser:
    content_type: str
    query: Sequence[tuple[str, str]]
    outbound: Outbound
    uploads: UploadStore
    max_bytes: int

    def read(self, incoming: IncomingUpload, blocks: Iterator[bytes], heartbeat: Action) -> Submission:
        kind = self.content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            return self._parse_form(incoming, blocks)
        if kind == "application/json":
            return self._parse_json(incoming, validate(JobRequestByUrl, _read_whole(blocks)), heartbeat)
        if kind in ("", "application/octet-stream") or kind.startswith(("audio/", "video/")):
            fields = _unique_fields(self.query)
            name = fields.pop("name", None)
            requested = validate(JobRequest, fields)  # before the body is read, so that errors return immediately
            incoming.put_recording(name, blocks)
            return Submission(requested, incoming.hashes)
        raise UnsupportedContentType(
            "This call takes multipart/form-data, audio, video, application/octet-stream, or JSON.",
            hint="Set Content-Type to the type of the body.",
        )

    def _parse_json(self, incoming: IncomingUpload, requested: JobRequestByUrl, heartbeat: Action) -> Submission:
        plain = validate(JobRequest, requested.model_dump(exclude={"url", "upload", "name", "tracks"}))
        tenant, upload_id = incoming.caller.tenant, requested.upload
        tracks = "".join(f" track {track.name} {track.url}" for track in requested.tracks)
        if upload_id is None:
            url = requested.url or ""
            fetch: Action = partial(self._fetch, incoming, incoming.put_recording, url, requested.name, heartbeat)
            return Submission(
                plain, f"url {url}{tracks}", partial(self._fetch_all, incoming, fetch, requested.tracks, heartbeat)
            )
        fetch = partial(self._use_upload, incoming, upload_id, requested.name, heartbeat)
        taken = partial(self.uploads.delete, tenant, upload_id)
        return Submission(
            plain,
            f"upload {upload_id}{tracks}",
            partial(self._fetch_all, incoming, fetch, requested.tracks, heartbeat),
            taken,
        )

    def _fetch_all(
        self, incoming: IncomingUpload, fetch: Action, tracks: Sequence[TrackAddress], heartbeat: Action
    ) -> None:
        for track in tracks:  # fail before the download of the recording; each URL is checked again when fetched
            self.outbound.check(track.url)
        fetch()
        for track in tracks:
            self._fetch(incoming, incoming.put_track, track.url, track.name, heartbeat)

    def _parse_form(self, incoming: IncomingUpload, blocks: Iterator[bytes]) -> Submission:
        limits = PartLimits()
        reader = FieldReader(limits)
        fields: list[tuple[str, str]] = []
        for part in read_parts(blocks, boundary_of(self.content_type), limits):
            if part.name == "file":
                incoming.put_recording(part.filename, part.blocks)
            elif part.name == "track":
                incoming.put_track(part.filename, part.blocks)
            elif part.name == "transcript":
                incoming.put_transcript(part.filename, part.blocks)
            elif part.filename is not None:
                raise InvalidRequest("A file part must be named `file`, `track` or `transcript`.")
            else:
                fields.append((part.name, reader.read(part)))
        return Submission(validate(JobRequest, _unique_fields(fields)), incoming.hashes)

    def _fetch(self, incoming: IncomingUpload, put: StoreMedia, url: str, name: str | None, heartbeat: Action) -> None:
        """The size limit of one request applies to a recording and its tracks together."""
        try:
            with self.outbound.fetching(url, {}, max_bytes=self.max_bytes - incoming.size) as download:
                label = name or unquote(urlsplit(url).path)
                put(label, with_heartbeat(download.blocks, heartbeat))
        except OutboundFailed as error:
            if error.reason == "too_large":
                raise UploadTooLarge(error.message) from None
            raise

    def _use_upload(self, incoming: IncomingUpload, upload_id: str, name: str | None, heartbeat: Action) -> None:
        with self.uploads.reading(incoming.caller.tenant, upload_id) as (upload, blocks):
            label = name or read_metadata(upload.metadata).get("filename")
            incoming.put_recording(label, with_heartbeat(blocks, heartbeat))


def validate(model: type[Model], fields: Mapping[str, Any] | bytes) -> Model:
    """Validate the fields; the error names the invalid ones and does not repeat their values."""
    try:
        if isinstance(fields, bytes):
            return model.model_validate_json(fields)
        return model.model_validate(fields)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in errors]) from None


def _read_whole(blocks: Iterator[bytes]) -> bytes:
    content = bytearray()
    for block in blocks:
        content += block
        if len(content) > MAX_JSON:
            raise UploadTooLarge(f"The JSON is longer than {MAX_JSON} bytes.")
    return bytes(content)


def _unique_fields(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif name in LIST_FIELDS:
            fields[name] += f",{value}"
        else:
            raise InvalidRequest("A field is repeated.")
    return fields

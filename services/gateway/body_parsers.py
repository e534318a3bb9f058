"""Reads the request body of an upload: a form, a raw body, or JSON with a URL or an upload id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from services.gateway.context import Context
from services.gateway.job_intake import IncomingUpload, digest_of
from services.gateway.multipart_stream import FieldReader, PartLimits, boundary_of, read_parts
from services.gateway.tus_headers import read_metadata
from shared.domain.error import InvalidRequest, OutboundFailed, UnsupportedContentType, UploadTooLarge
from shared.domain.job_request import JobRequest, JobRequestByUrl
from shared.infra.address_rule import not_callable, parse
from shared.infra.web.request_body import Body

MAX_JSON = 64 * 1024
TRANSCRIPT_TYPES = ("text/vtt", "text/plain", "application/x-subrip")
LIST_FIELDS = ("modalities", "engines")  # fields that a form may repeat
Model = TypeVar("Model", bound=BaseModel)
Action = Callable[[], None]


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Submission:
    """The requested options, and the source that identifies a repeated request."""

    options: JobRequest
    source: str
    fetch: Action = _nothing  # downloads what is not in the body; skipped for a repeat
    delete_upload: Action = _nothing  # after the job is created

    @property
    def fingerprint(self) -> str:
        return digest_of(self.source, self.options.model_dump_json())


def read_submission(gateway: Context, request: Request, body: Body, incoming: IncomingUpload) -> Submission:
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    blocks = incoming.with_heartbeat(body.blocks())
    if kind == "multipart/form-data":
        return _read_form(gateway, incoming, boundary_of(content_type), blocks)
    if kind == "application/json":
        return _read_json(gateway, incoming, validate(JobRequestByUrl, read_whole(blocks)))
    if kind in ("", "application/octet-stream", *TRANSCRIPT_TYPES) or kind.startswith(("audio/", "video/")):
        fields = _unique_fields(request.query_params.multi_items())
        name = fields.pop("name", None)
        options = validate(JobRequest, fields)  # before the body is read, so that errors return immediately
        put = incoming.put_transcript if kind in TRANSCRIPT_TYPES else incoming.put_recording
        put(name, blocks)
        return Submission(options, incoming.hashes)
    raise UnsupportedContentType(
        "This call takes multipart/form-data, audio, video, application/octet-stream, text/vtt, text/plain, or JSON.",
        hint="Set Content-Type to the type of the body.",
    )


def _read_form(gateway: Context, incoming: IncomingUpload, boundary: str, blocks: Iterator[bytes]) -> Submission:
    """The recording is a part, or a finished resumable upload that the field `upload` names."""
    limits = PartLimits()
    reader = FieldReader(limits)
    fields: list[tuple[str, str]] = []
    for part in read_parts(blocks, boundary, limits):
        if part.name == "file":
            incoming.put_recording(part.filename, part.blocks)
        elif part.name == "track":
            incoming.put_track(part.filename, part.blocks)
        elif part.name == "transcript":
            incoming.put_transcript(part.filename, part.blocks)
        elif part.name == "known_voice":
            incoming.put_known_voice((part.filename or "").rsplit(".", 1)[0], part.blocks)
        elif part.filename is not None:
            raise InvalidRequest("A file part must be named `file`, `track`, `transcript` or `known_voice`.")
        else:
            fields.append((part.name, reader.read(part)))
    values = _unique_fields(fields)
    upload = values.pop("upload", None)
    options = validate(JobRequest, values)
    if upload is None:
        return Submission(options, incoming.hashes)
    return Submission(
        options,
        f"upload {upload} {incoming.hashes}",
        partial(_put_upload, gateway, incoming, upload),
        partial(gateway.uploads.delete, incoming.caller.tenant, upload),
    )


def _read_json(gateway: Context, incoming: IncomingUpload, wanted: JobRequestByUrl) -> Submission:
    return Submission(
        validate(JobRequest, wanted.model_dump(exclude={"url", "upload", "name", "tracks"})),
        (f"url {wanted.url or ''}" if wanted.upload is None else f"upload {wanted.upload}")
        + "".join(f" track {track.name} {track.start} {track.url}" for track in wanted.tracks),
        partial(_fetch, gateway, incoming, wanted),
        _nothing if wanted.upload is None else partial(gateway.uploads.delete, incoming.caller.tenant, wanted.upload),
    )


def _fetch(gateway: Context, incoming: IncomingUpload, wanted: JobRequestByUrl) -> None:
    for track in wanted.tracks:  # fail before the download of the recording; each URL is checked again when fetched
        gateway.callbacks.check(track.url)
    if wanted.upload is None:
        download(gateway, incoming, incoming.put_recording, wanted.url or "", wanted.name)
    else:
        _put_upload(gateway, incoming, wanted.upload, wanted.name)
    for track in wanted.tracks:
        download(gateway, incoming, partial(incoming.put_track, start=track.start), track.url, track.name)


def _put_upload(gateway: Context, incoming: IncomingUpload, upload_id: str, name: str | None = None) -> None:
    with gateway.uploads.reading(incoming.caller.tenant, upload_id) as (upload, blocks):
        incoming.release(upload)
        label = name or read_metadata(upload.metadata).get("filename")
        incoming.put_recording(label, incoming.with_heartbeat(blocks))


def download(
    gateway: Context,
    incoming: IncomingUpload,
    put: Callable[[str | None, Iterator[bytes]], None],
    url: str,
    name: str | None,
) -> None:
    """The size limit of one request applies to a recording and its tracks together."""
    try:
        with gateway.outbound.fetching(url, {}, max_bytes=gateway.max_bytes - incoming.size) as download:
            put(name or unquote(parse(url).path.partition("?")[0]), incoming.with_heartbeat(download.blocks))
    except OutboundFailed as error:
        if error.reason == "too_large":
            raise UploadTooLarge(error.message) from None
        if error.reason == "dns":
            raise not_callable() from None
        raise


def validate(model: type[Model], fields: Mapping[str, Any] | bytes) -> Model:
    """Validate the fields; the error names the invalid ones and does not repeat their values."""
    try:
        if isinstance(fields, bytes):
            return model.model_validate_json(fields)
        return model.model_validate(fields)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in errors]) from None


def read_whole(blocks: Iterator[bytes]) -> bytes:
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

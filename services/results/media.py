"""`GET /v1/jobs/{id}/media`: the recording as it was uploaded, for players."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.responses import Response

from services.results.content_response import Content, tag, unchanged
from services.results.content_response import deliver as deliver_content
from services.results.dependencies import TranscriptCaller, Transcripts
from services.results.file_name import file_name
from services.results.openapi import content_responses
from shared.domain.error import MediaDeleted, NoRecording, RangeNotSatisfiable, StoredDataMissing
from shared.domain.job_blobs import recording_key
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.authenticator import Caller
from shared.ports.blobs import BlobStore

PATH = "/v1/jobs/{job_id}/media"
UNKNOWN = "application/octet-stream"
HEAD = 16  # bytes that decide the media type
# The first bytes of a container, its media type and the suffix of its files.
SIGNATURES = (
    (b"RIFF", "audio/wav", "wav"),
    (b"RF64", "audio/wav", "wav"),
    (b"OggS", "audio/ogg", "ogg"),
    (b"fLaC", "audio/flac", "flac"),
    (b"ID3", "audio/mpeg", "mp3"),
    (b"\xff\xf1", "audio/aac", "aac"),
    (b"\xff\xf9", "audio/aac", "aac"),
    (b"\xff", "audio/mpeg", "mp3"),
    (b"\x1aE\xdf\xa3", "video/webm", "webm"),
    (b"G", "video/mp2t", "ts"),
)

router = APIRouter(tags=["jobs"])


def media_type_of(blobs: BlobStore, tenant: str, job_id: str) -> str:
    """The type by the first bytes: never what a client claims, and never one that a browser would execute."""
    return _kind(blobs, tenant, job_id)[0]


def _kind(blobs: BlobStore, tenant: str, job_id: str) -> tuple[str, str]:
    head = b"".join(blobs.read(tenant, recording_key(job_id), start=0, end=HEAD))
    if head[4:8] == b"ftyp":
        return ("audio/mp4", "m4a") if head[8:11] == b"M4A" else ("video/mp4", "mp4")
    return next(((kind, suffix) for start, kind, suffix in SIGNATURES if head.startswith(start)), (UNKNOWN, "bin"))


def view_media(request: Request, transcripts: Transcripts, caller: TranscriptCaller, job_id: str) -> Response:
    """Supports `Range`; every response with content adds an entry to the audit trail."""
    return deliver_recording(request, transcripts, caller, job_id, "recording.read")


def deliver_recording(
    request: Request, transcripts: TranscriptReader, caller: Caller, job_id: str, action: str, **details: JsonValue
) -> Response:
    """The action and its details are for the audit trail."""
    record = transcripts.record(caller, job_id)
    if record.job.text_only:
        raise NoRecording
    if record.media_deleted_at is not None:
        raise MediaDeleted
    key = recording_key(job_id)
    size = transcripts.blobs.size(caller.tenant, key)
    if size is None:
        raise StoredDataMissing("The recording is no longer in storage.")

    def read(start: int, end: int) -> Iterator[bytes]:
        return transcripts.blobs.read(caller.tenant, key, start=start, end=end)

    kind, suffix = _kind(transcripts.blobs, caller.tenant, job_id)
    recording = record.job.recording
    content = Content(size, tag(recording.sha256), kind, file_name(recording.name, suffix), read, inline=True)
    if not unchanged(request, content):
        transcripts.record_audit(caller, action, job_id, **details)
    return deliver_content(request, content)


router.add_api_route(
    PATH,
    view_media,
    methods=["GET"],
    response_class=Response,
    responses=content_responses("*/*", RangeNotSatisfiable, MediaDeleted, NoRecording),
    summary="The recording",
    operation_id="get_job_media",
)
router.add_api_route(PATH, view_media, methods=["HEAD"], include_in_schema=False)

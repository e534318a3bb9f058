"""Turns an upload and a job request into a queued job; if any step fails, nothing stays stored."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from services.gateway.callbacks import Callback, CallbackEndpoints
from services.gateway.job_options import grant_options
from services.gateway.media_sniffing import checked_media, checked_transcript, is_short_clip
from shared.domain.blob import Blob
from shared.domain.emotion import Modality
from shared.domain.error import (
    DatabaseUnavailable,
    InvalidRequest,
    InvalidTranscript,
    QuotaExceeded,
    StorageUnavailable,
    UploadTooLarge,
)
from shared.domain.file_label import safe_file_label
from shared.domain.governance import Consent
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.job_blobs import job_folder, known_voice_key, platform_transcript_key, recording_key, track_key
from shared.domain.job_record import JobRecord, NewJob
from shared.domain.job_request import MAX_TRACKS, JobRequest
from shared.domain.stage_plan import plan_stages
from shared.domain.transcript_format import TranscriptFormat
from shared.domain.upload import Upload
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.incoming_uploads import SqlIncomingUploadStore
from shared.infra.database.jobs import SqlJobStore
from shared.infra.settings import GovernanceSettings
from shared.infra.web.authenticator import Caller
from shared.ports.blobs import BlobStore

MAX_TRANSCRIPT = 20 << 20
MAX_KNOWN_VOICES = 4
MAX_KNOWN_VOICE = 8 << 20
HEARTBEAT_SECONDS = 20.0
REPEATED_WITHIN = timedelta(hours=1)
ABANDONED_AFTER = timedelta(minutes=15)  # without a heartbeat


@dataclass(frozen=True, slots=True)
class JobIntake:
    jobs: SqlJobStore
    blobs: BlobStore
    incoming_uploads: SqlIncomingUploadStore
    audit: SqlAuditLog
    callbacks: CallbackEndpoints
    governance: GovernanceSettings
    clock: Callable[[], datetime]
    max_bytes: int
    reserved_bytes: Callable[[str], int]  # bytes of a tenant's resumable uploads, which count towards its quota
    gpu: bool = False
    max_stored_bytes: int | None = None  # bytes for one tenant

    @contextmanager
    def receive(
        self, caller: Caller, claimed: int | None = None, *, job_id: str | None = None
    ) -> Iterator[IncomingUpload]:
        """Yields an incoming upload; its files are deleted unless it is submitted.

        Without a claimed size the tenant's quota is checked only when the whole upload has been received.
        """
        bytes_left = None if claimed is None else self.bytes_left(caller.tenant, claimed)
        incoming = IncomingUpload(self, caller, job_id or uuid4().hex, bytes_left)
        self.incoming_uploads.begin(caller.tenant, incoming.job_id)
        try:
            yield incoming
        finally:
            with suppress(DatabaseUnavailable):  # the sweep does it later
                if incoming.record is not None or self._discard(incoming):
                    self.incoming_uploads.end(incoming.job_id)

    def _discard(self, incoming: IncomingUpload) -> bool:
        """Deletes the upload's files; returns False if storage is unavailable, and the sweep deletes them later."""
        try:
            self._delete_unused(incoming.caller.tenant, incoming.job_id)
        except StorageUnavailable:
            return False
        return True

    def _delete_unused(self, tenant: str, job_id: str) -> None:
        """Deletes the files unless they belong to a job: after a lost connection, the job may have been added."""
        if self.jobs.find(tenant, job_id) is None and self.jobs.erasure_record(tenant, job_id) is None:
            self.blobs.delete_prefix(tenant, job_folder(job_id))

    def bytes_left(self, tenant: str, size: int) -> int | None:
        """Returns the bytes that the tenant may still store (None: no limit); raises if `size` exceeds them."""
        if self.max_stored_bytes is None:
            return None
        bytes_left = self.max_stored_bytes - self.jobs.stored_bytes(tenant) - self.reserved_bytes(tenant)
        if size > bytes_left:
            raise QuotaExceeded(self.max_stored_bytes)
        return bytes_left

    def sweep(self) -> int:
        """Deletes the files of abandoned uploads without a job, and returns the number of abandoned uploads."""
        abandoned = self.incoming_uploads.abandoned(self.clock() - ABANDONED_AFTER)
        for tenant, job_id in abandoned:
            self._delete_unused(tenant, job_id)
            self.incoming_uploads.end(job_id)
        return len(abandoned)


@dataclass(slots=True)
class IncomingUpload:
    """A recording that is being received, with its tracks and platform transcript."""

    intake: JobIntake
    caller: Caller
    job_id: str
    bytes_left: int | None = None  # bytes that the tenant may still store
    recording: Source | None = None
    tracks: list[Track] = field(default_factory=list)
    platform_transcript: Source | None = None
    known_voices: list[Source] = field(default_factory=list)
    transcript_format: TranscriptFormat | None = None
    record: JobRecord | None = None  # of the submitted job
    callback_secret: str | None = field(default=None, repr=False)  # signs the callback; shown only once
    size: int = 0  # bytes received
    released: int = 0  # bytes of the resumable upload that becomes this recording

    def release(self, upload: Upload) -> None:
        """Use the bytes that the upload has reserved in the quota."""
        self.released = upload.length
        if self.bytes_left is not None:
            self.bytes_left += upload.length

    def with_heartbeat(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks, with a periodic heartbeat: without it a long upload would count as abandoned."""
        last = time.monotonic()
        for block in blocks:
            if time.monotonic() - last > HEARTBEAT_SECONDS:
                self.intake.incoming_uploads.heartbeat(self.job_id)
                last = time.monotonic()
            yield block

    def put_recording(self, name: str | None, blocks: Iterable[bytes]) -> None:
        if self.recording is not None:
            raise InvalidRequest(
                "The request has more than one recording.", hint="Send participants' tracks as `track`."
            )
        blob = self._put(recording_key(self.job_id), checked_media(blocks), self.intake.max_bytes)
        self.recording = Source(name=safe_file_label(name, "recording"), sha256=blob.sha256)

    def put_track(self, name: str | None, blocks: Iterable[bytes], *, start: float = 0.0) -> None:
        if len(self.tracks) >= MAX_TRACKS:
            raise InvalidRequest(f"The request has more than {MAX_TRACKS} tracks.")
        label = safe_file_label(name, f"track {len(self.tracks) + 1}").rsplit(".", 1)[0]
        if label in {track.name for track in self.tracks}:
            raise InvalidRequest("Two tracks have the same name.", hint="Give each participant one track and one name.")
        key = track_key(self.job_id, len(self.tracks))
        blob = self._put(key, checked_media(blocks), self.intake.max_bytes)
        self.tracks.append(Track(name=label, sha256=blob.sha256, start=start))

    def put_transcript(self, name: str | None, blocks: Iterable[bytes]) -> None:
        if self.platform_transcript is not None:
            raise InvalidRequest("The request has more than one transcript.")
        self.transcript_format, checked = checked_transcript(blocks)
        blob = self._put(platform_transcript_key(self.job_id), checked, MAX_TRANSCRIPT)
        self.platform_transcript = Source(name=safe_file_label(name, "transcript"), sha256=blob.sha256)

    def put_known_voice(self, name: str | None, blocks: Iterable[bytes]) -> None:
        number = len(self.known_voices)
        if number >= MAX_KNOWN_VOICES:
            raise InvalidRequest(f"The request has more than {MAX_KNOWN_VOICES} known voices.")
        blob = self._put(known_voice_key(self.job_id, number), checked_media(blocks), MAX_KNOWN_VOICE)
        self.known_voices.append(Source(name=safe_file_label(name, f"Voice {number + 1}"), sha256=blob.sha256))

    def _put(self, key: str, blocks: Iterable[bytes], max_bytes: int) -> Blob:
        left = max_bytes if self.bytes_left is None else max(0, self.bytes_left - self.size)
        try:
            blob = self.intake.blobs.put(self.caller.tenant, key, blocks, max_bytes=min(max_bytes, left))
        except UploadTooLarge as error:
            if left < max_bytes:
                raise QuotaExceeded(self.intake.max_stored_bytes or 0) from None
            raise UploadTooLarge(
                error.message, hint="Send a smaller file, or ask the operator to raise GATEWAY__MAX_UPLOAD_MB."
            ) from None
        self.size += blob.size
        return blob

    @property
    def hashes(self) -> str:
        """The hashes of the received files; file names are included only where they name a speaker."""
        files = (part.sha256 for part in (self.recording, self.platform_transcript) if part)
        tracks = (f"{part.sha256}:{part.name}:{part.start}" for part in self.tracks)
        return " ".join([*files, *tracks, *(f"{part.sha256}:{part.name}" for part in self.known_voices)])

    def is_short_clip(self) -> bool:
        blocks = self.intake.blobs.read(self.caller.tenant, recording_key(self.job_id))
        return not self.tracks and is_short_clip(next(iter(blocks), b""), self.size)

    @property
    def text_only(self) -> bool:
        return self.recording is None and not self.tracks

    def _recording(self) -> Source:
        """What the job's transcript is of: the recording, or the platform transcript alone."""
        source = self.platform_transcript if self.text_only else self.recording
        if source is None:
            raise InvalidRequest(
                "The request has no recording.",
                hint="Send it as the part `file`, as the body, or as a URL; or send a transcript alone.",
            )
        if not self.text_only and self.transcript_format is TranscriptFormat.LINES:
            raise InvalidTranscript(
                "The transcript has no times, so it cannot belong to a recording.", hint="Export it as WebVTT."
            )
        return source

    def _check_uses_recording(self, request: JobRequest) -> None:
        """Reject options that have no effect; ignoring them would change the result without an error."""
        if self.known_voices and (self.text_only or self.tracks or request.separate_channels):
            raise InvalidRequest(
                "Known voices cannot be combined with tracks, channels or a transcript alone, which name the speakers.",
                hint="Leave `known_voice` out.",
            )
        if self.text_only and (request.min_speech is not None or request.max_seconds is not None):
            raise InvalidRequest("min_speech and max_seconds need a recording.")

    def _granted(self, request: JobRequest) -> tuple[JobOptions, Consent | None]:
        return grant_options(
            request,
            self.caller,
            self.intake.governance,
            text_only=self.text_only,
            known_voices=bool(self.known_voices),
        )

    def submit(
        self, request: JobRequest, callback: Callback | None = None, *, fast: bool = False, join: bool = False
    ) -> JobRecord:
        """Queues the job with its stages and callback; the files are then kept.

        With `join`, returns the job that the same request started recently: a client that repeats an upload waits for
        it.
        """
        if callback is None and request.callback_url is not None:
            callback = Callback(request.callback_url)
        recording = self._recording()
        self._check_uses_recording(request)
        options, consent = self._granted(request)
        job = Job(
            id=self.job_id,
            recording=recording,
            text_only=self.text_only,
            tracks=tuple(self.tracks),
            known_voices=tuple(self.known_voices),
            platform_transcript=self.platform_transcript,
            options=options,
        )
        new = NewJob(
            job=job,
            stages=plan_stages(job, gpu=self.intake.gpu, fast=fast),
            metadata=request.metadata,
            consent=consent,
            retention=request.retention,
            key_id=self.caller.key_id,
            media_bytes=self.size,
            digest=digest_of(self.hashes, options.model_dump_json()),
        )
        new.check()
        with self.intake.callbacks.adding(self.caller.tenant, self.job_id, callback) as secret:
            record = self.intake.jobs.add(
                self.caller.tenant,
                new,
                max_stored=self.intake.max_stored_bytes,
                reserved=self.intake.reserved_bytes(self.caller.tenant) - self.released,
                repeated_since=self.intake.clock() - REPEATED_WITHIN if join else None,
            )
            if record.id != self.job_id:
                return record
            self.record, self.callback_secret = record, secret
        self.intake.audit.record(
            self.caller.audit_entry(
                self.intake.clock(),
                "job.created",
                self.job_id,
                granted=list(options.modalities),
                not_granted=[modality for modality in Modality if modality not in options.modalities],
                purpose=options.purpose,
                informed=consent.participants_informed if consent else None,
            )
        )
        return record


def digest_of(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

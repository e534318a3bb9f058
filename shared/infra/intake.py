"""From a client's bytes and wishes to a queued job: everything is in storage and in the database, or nothing is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from shared.domain.asked import MOST_TRACKS, Asked
from shared.domain.blob import Blob
from shared.domain.emotion import Modality
from shared.domain.error import InvalidRequest, QuotaExceeded, StorageUnavailable, UploadTooLarge
from shared.domain.governance import Consent, parse_purpose, permit
from shared.domain.job import Job, Source, Wishes
from shared.domain.job_blobs import job_folder, platform_transcript_key, recording_key, track_key
from shared.domain.job_record import JobRecord, NewJob
from shared.domain.label import label_of
from shared.domain.plan import plan_of
from shared.domain.tenant import AuditEntry
from shared.infra.callbacks import Callbacks
from shared.infra.settings import GovernanceSettings
from shared.infra.web.api_keys import Caller
from shared.infra.web.sniff import checked_media, checked_transcript
from shared.ports.arrivals import ArrivalStore
from shared.ports.blobs import BlobStore
from shared.ports.jobs import JobStore
from shared.ports.keys import AuditTrail

MOST_TRANSCRIPT = 20 << 20
LOST_AFTER = timedelta(minutes=15)  # without a sign of life


@dataclass(frozen=True, slots=True)
class Submitted:
    record: JobRecord
    callback_secret: str | None = field(default=None, repr=False)  # signs the callback; shown this once


@dataclass(frozen=True, slots=True)
class Intake:
    jobs: JobStore
    blobs: BlobStore
    arrivals: ArrivalStore
    audit: AuditTrail
    callbacks: Callbacks
    governance: GovernanceSettings
    clock: Callable[[], datetime]
    most_bytes: int
    gpu: bool = False
    most_stored: int | None = None  # bytes for one tenant

    @contextmanager
    def receiving(self, caller: Caller, claimed: int | None = None) -> Iterator[Arrival]:
        """What is put into it stays if it is submitted; otherwise nothing does.

        Without a claim of its size the tenant's quota is looked at only when all is here.
        """
        room = None if claimed is None else self.room_for(caller.tenant, claimed)
        arrival = Arrival(self, caller, uuid4().hex, room)
        self.arrivals.begin(caller.tenant, arrival.job_id)
        try:
            yield arrival
        finally:
            if arrival.submitted is not None or self._undone(arrival):
                self.arrivals.end(arrival.job_id)

    def _undone(self, arrival: Arrival) -> bool:
        """Whether all that came is erased; what a storage that is away still holds, the sweep erases later."""
        try:
            self.blobs.delete_prefix(arrival.caller.tenant, job_folder(arrival.job_id))
        except StorageUnavailable:
            return False
        return True

    def room_for(self, tenant: str, size: int) -> int | None:
        """The bytes that the tenant may still store, if these are not too many already; None: no limit."""
        if self.most_stored is None:
            return None
        room = self.most_stored - self.jobs.stored(tenant)
        if size > room:
            raise QuotaExceeded(self.most_stored)
        return room

    def sweep(self) -> int:
        """Erase what killed processes left half-way; a job that exists is none of that."""
        lost = self.arrivals.lost(self.clock() - LOST_AFTER)
        for tenant, job_id in lost:
            if self.jobs.find(tenant, job_id) is None and self.jobs.tombstone(tenant, job_id) is None:
                self.blobs.delete_prefix(tenant, job_folder(job_id))
            self.arrivals.end(job_id)
        return len(lost)


@dataclass(slots=True)
class Arrival:
    """One recording on its way in."""

    intake: Intake
    caller: Caller
    job_id: str
    room: int | None = None  # bytes that its tenant may still store
    recording: Source | None = None
    tracks: list[Source] = field(default_factory=list)
    transcript: Source | None = None
    submitted: Submitted | None = None
    size: int = 0  # bytes of all that has come

    def put_recording(self, name: str | None, blocks: Iterable[bytes]) -> None:
        if self.recording is not None:
            raise InvalidRequest("There is more than one recording.", mend="Send participants' tracks as `track`.")
        blob = self._put(recording_key(self.job_id), checked_media(blocks), self.intake.most_bytes)
        self.recording = Source(name=label_of(name, "recording"), sha256=blob.sha256)

    def put_track(self, name: str | None, blocks: Iterable[bytes]) -> None:
        if len(self.tracks) >= MOST_TRACKS:
            raise InvalidRequest(f"There are more than {MOST_TRACKS} tracks.")
        label = label_of(name, f"track {len(self.tracks) + 1}").rsplit(".", 1)[0]
        if label in {track.name for track in self.tracks}:
            raise InvalidRequest("Two tracks have the same name.", mend="Give each participant one track and one name.")
        key = track_key(self.job_id, len(self.tracks))
        blob = self._put(key, checked_media(blocks), self.intake.most_bytes)
        self.tracks.append(Source(name=label, sha256=blob.sha256))

    def put_transcript(self, name: str | None, blocks: Iterable[bytes]) -> None:
        if self.transcript is not None:
            raise InvalidRequest("There is more than one transcript.")
        blob = self._put(platform_transcript_key(self.job_id), checked_transcript(blocks), MOST_TRANSCRIPT)
        self.transcript = Source(name=label_of(name, "transcript"), sha256=blob.sha256)

    def _put(self, key: str, blocks: Iterable[bytes], at_most: int) -> Blob:
        left = at_most if self.room is None else max(0, self.room - self.size)
        try:
            blob = self.intake.blobs.put(self.caller.tenant, key, blocks, at_most=min(at_most, left))
        except UploadTooLarge as error:
            if left < at_most:
                raise QuotaExceeded(self.intake.most_stored or 0) from None
            raise UploadTooLarge(
                error.message, mend="Send less, or have the operator raise GATEWAY__MAX_UPLOAD_MB."
            ) from None
        self.size += blob.size
        return blob

    @property
    def hashes(self) -> str:
        """What came, whatever it was called."""
        parts = (self.recording, *self.tracks, self.transcript)
        return " ".join(f"{part.sha256}:{part.name}" if part in self.tracks else part.sha256 for part in parts if part)

    def submit(self, asked: Asked) -> Submitted:
        """The job is queued with all that belongs to it; from here on its bytes stay."""
        if self.recording is None:
            raise InvalidRequest("There is no recording.", mend="Send it as the part `file`, as the body, or as a url.")
        wishes, consent = allowed(asked, self.caller, self.intake.governance)
        job = Job(
            id=self.job_id,
            recording=self.recording,
            tracks=tuple(self.tracks),
            platform_transcript=self.transcript,
            wishes=wishes,
        )
        new = NewJob(
            job=job,
            stages=plan_of(job, gpu=self.intake.gpu),
            metadata=asked.metadata,
            consent=consent,
            retention=asked.retention,
            key_id=self.caller.key_id,
            media_bytes=self.size,
            digest=digest_of(self.hashes, wishes.model_dump_json()),
        )
        new.check()
        with self.intake.callbacks.adding(self.caller.tenant, self.job_id, asked.callback_url) as secret:
            record = self.intake.jobs.add(self.caller.tenant, new, most_stored=self.intake.most_stored)
            self.submitted = Submitted(record, secret)
        self._note(wishes, consent)
        return self.submitted

    def _note(self, wishes: Wishes, consent: Consent | None) -> None:
        refused = [modality for modality in Modality if modality not in wishes.modalities]
        self.intake.audit.note(
            AuditEntry(
                tenant=self.caller.tenant,
                at=self.intake.clock(),
                key_id=self.caller.key_id,
                action="job.created",
                subject=self.job_id,
                facts={
                    "granted": list(wishes.modalities),
                    "not_granted": list(refused),
                    "purpose": wishes.purpose,
                    "informed": consent.participants_informed if consent else None,
                },
                address=self.caller.address,
            )
        )


def allowed(asked: Asked, caller: Caller, governance: GovernanceSettings) -> tuple[Wishes, Consent | None]:
    """The wishes that governance grants; what the request leaves open, the key's defaults decide."""
    default_purpose = caller.defaults.get("purpose")
    purpose = asked.purpose or parse_purpose(default_purpose if isinstance(default_purpose, str) else None)
    if purpose is None and governance.require_purpose:
        raise InvalidRequest("This deployment wants to know the purpose.", mend="Add a purpose, such as research.")
    given = Asked.model_validate(
        {name: caller.defaults[name] for name in ("modalities", "consent") if name in caller.defaults}
    )
    consent = asked.consent or given.consent
    modalities = permit(
        given.modalities if asked.modalities is None else asked.modalities, governance.modalities, purpose
    )
    biometric = any(modality is not Modality.TEXT for modality in modalities)
    if governance.require_consent and biometric and not (consent and consent.participants_informed):
        raise InvalidRequest(
            "This deployment reads voice and face only when the participants have been informed.",
            mend='Add a consent with "participants_informed": true, or ask for the modality text alone.',
        )
    wishes = Wishes(
        language=asked.language,
        vocabulary=asked.vocabulary,
        exactly_speakers=asked.speakers,
        at_most_speakers=asked.at_most_speakers,
        modalities=tuple(modality for modality in Modality if modality in modalities),
        engines=dict(asked.engines),
        separate_channels=asked.separate_channels,
        captions=asked.captions,
        purpose=purpose,
    )
    return wishes, consent


def digest_of(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

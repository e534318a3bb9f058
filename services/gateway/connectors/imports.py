"""Stores announced recordings, fetches their files in the background and submits their jobs."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import uuid4

import structlog
from pydantic import JsonValue

from services.gateway.connectors.connector import Connector, PlatformRecording, RemoteFile
from services.gateway.connectors.downloads import LEASE, Lease, RecordingFiles
from services.gateway.context import Context
from services.gateway.first_key import TENANT as FIRST_TENANT
from services.gateway.settings import GatewaySettings
from shared.domain.error import Interrupted, LeaseLost, QuotaExceeded, UndertoneError
from shared.domain.import_record import ImportClaim, ImportRecord
from shared.domain.job_record import JobStatus
from shared.domain.job_request import MAX_TRACKS, JobRequest
from shared.domain.tenant import Scope
from shared.infra.web.authenticator import KEYLESS_TENANT, Caller

log = structlog.get_logger()

DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360))  # between attempts
CAPTIONS_POLL = timedelta(seconds=3)  # until the job of a recording with captions has ended
ENDED = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)


def default_tenant(settings: GatewaySettings) -> str:
    return KEYLESS_TENANT if settings.keyless else FIRST_TENANT


class Imports:
    """One for each process; the leases in the database keep several processes apart."""

    def __init__(self, gateway: Context, connectors: Sequence[Connector]) -> None:
        self._gateway = gateway
        self.connectors: Mapping[str, Connector] = {connector.name: connector for connector in connectors}
        self.stopping = threading.Event()

    def accept(self, connector: Connector, recording: PlatformRecording) -> bool:
        """Store the recording, so that a restart does not lose it; returns False if it was announced before."""
        now, new_id = self._gateway.clock(), uuid4().hex
        record = ImportRecord(
            id=new_id,
            tenant=self.tenant_of(connector),
            connector=connector.name,
            content=self._gateway.callbacks.cipher.encrypt(recording.model_dump_json(), new_id),
            next_attempt_at=now + timedelta(seconds=recording.settle_seconds),
            created_at=now,
        )
        group = recording.group and f"{connector.name} {recording.group}"  # two platforms may use the same ids
        new = self._gateway.imports.add(record, recording.key, group)
        self._gateway.announcements.labels(connector.name, "accepted" if new else "repeated").inc()
        log.info("gateway.recording_announced", connector=connector.name, new=new)
        return new

    def tenant_of(self, connector: Connector) -> str:
        return connector.settings.tenant or default_tenant(self._gateway.settings)

    def caller_of(self, connector: Connector) -> Caller:
        scopes = frozenset({Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ})
        return Caller(tenant=self.tenant_of(connector), key_id=None, scopes=scopes)

    def request_of(self, connector: Connector, source: Mapping[str, JsonValue]) -> JobRequest:
        """The options of the connector's jobs, with the platform's ids as metadata."""
        options = JobRequest.model_validate_json(connector.settings.options or "{}")
        metadata = {**options.metadata, "source": {"platform": connector.name, **source}}
        return options.model_copy(update={"metadata": metadata})

    def run_due(self) -> None:
        """Make an attempt at each import that is due."""
        while not self.stopping.is_set() and self._gateway.imports.any_due():
            claim = self._gateway.imports.claim(LEASE)
            if claim is None:
                return
            self._attempt(claim)

    def _attempt(self, claim: ImportClaim) -> None:
        store, first = self._gateway.imports, claim.records[0]
        connector = self.connectors.get(first.connector)
        if connector is None:  # it was turned off
            store.postpone(claim.lease, self._gateway.clock() + DELAYS[0], tried=False)
            return
        try:
            recording = self._recording_of(claim)
            if first.job_id is not None:
                self._follow_up(claim, connector, recording, first.job_id)
            else:
                self._import(claim, connector, recording)
        except Interrupted:
            store.postpone(claim.lease, self._gateway.clock(), tried=False)
        except LeaseLost:
            log.warning("gateway.import_taken_over", connector=first.connector)
        except UndertoneError as error:
            self._fail(claim, error.code, final=not error.retryable and not isinstance(error, QuotaExceeded))
        # The import stays stored, and a later attempt may succeed. The error's text could contain an address.
        except Exception as error:  # noqa: BLE001
            log.error("gateway.import_error", connector=first.connector, error=type(error).__name__)  # noqa: TRY400
            self._fail(claim, "internal_error", final=False)

    def _import(self, claim: ImportClaim, connector: Connector, announced: PlatformRecording) -> None:
        job_id = next((one.lease for one in claim.records if one.lease and self.has_job(one.tenant, one.lease)), None)
        if job_id is None:  # otherwise an earlier attempt was killed after it had created the job
            recording = connector.locate(announced, self._gateway.outbound)
            job_id = self._submit(claim.lease, connector, recording)
            self._gateway.queued_jobs.inc()
            self._gateway.send_tickets()
        if connector.wants_captions:
            until = self._gateway.clock() + CAPTIONS_POLL
            self._gateway.imports.postpone(claim.lease, until, job_id=job_id, tried=False)
        else:
            self._gateway.imports.finish(claim.lease, job_id=job_id)
        self._gateway.import_results.labels(connector.name, "imported").inc()
        log.info("gateway.recording_imported", connector=connector.name, job=job_id)

    def _submit(self, lease: str, connector: Connector, recording: PlatformRecording) -> str:
        caller = self.caller_of(connector)
        with self._gateway.intake.receive(caller, job_id=lease) as incoming:
            held = Lease(self._gateway.imports, lease, self.stopping)
            files = RecordingFiles(self._gateway, connector, incoming, held)
            files.fetch(recording)
            held.renew()
            return incoming.submit(self.request_of(connector, recording.source)).id

    def _follow_up(self, claim: ImportClaim, connector: Connector, recording: PlatformRecording, job_id: str) -> None:
        """Send captions once the job is done."""
        record = self._gateway.jobs.find(self.tenant_of(connector), job_id)
        if record is not None and record.status not in ENDED:
            until = self._gateway.clock() + CAPTIONS_POLL
            self._gateway.imports.postpone(claim.lease, until, tried=False)
            return
        if record is not None and record.status is JobStatus.DONE:
            caller = self.caller_of(connector)
            transcript = self._gateway.transcripts.read(caller, job_id, emotion=False).transcript
            connector.send_captions(recording, transcript, self._gateway.outbound)
            self._gateway.transcripts.record_audit(
                caller, "transcript.read", job_id, format=connector.name, emotion=False
            )
            log.info("gateway.captions_sent", connector=connector.name, job=job_id)
        self._gateway.imports.finish(claim.lease, job_id=job_id)

    def has_job(self, tenant: str, job_id: str) -> bool:
        jobs = self._gateway.jobs
        return jobs.find(tenant, job_id) is not None or jobs.erasure_record(tenant, job_id) is not None

    def _recording_of(self, claim: ImportClaim) -> PlatformRecording:
        """Merge the announced recordings of a group: the first mix and transcript, and all tracks."""
        cipher = self._gateway.callbacks.cipher
        found = [
            PlatformRecording.model_validate_json(cipher.decrypt(one.content or "", one.id)) for one in claim.records
        ]
        names: set[str | None] = set()
        tracks = [_renamed(track, names) for one in found for track in one.tracks][:MAX_TRACKS]
        mix = next((one.mix for one in found if one.mix), None)
        transcript = next((one.transcript for one in found if one.transcript), None)
        first = next((one for one in found if one.main), found[0])
        return first.model_copy(update={"mix": mix, "tracks": tuple(tracks), "transcript": transcript})

    def _fail(self, claim: ImportClaim, code: str, *, final: bool) -> None:
        first = claim.records[0]
        tried, now = first.attempts, self._gateway.clock()
        last = final or tried >= len(DELAYS)
        if last:
            self._mark_failed(claim, code)
            self._record_failure(first, code)
            self._gateway.imports.finish(claim.lease, error=code, job_id=first.job_id)
        else:
            self._gateway.imports.postpone(claim.lease, now + DELAYS[tried], error=code)
        self._gateway.import_results.labels(first.connector, "failed" if last else "postponed").inc()
        log.warning("gateway.import_failed", connector=first.connector, code=code, attempt=tried + 1, final=last)

    def _record_failure(self, record: ImportRecord, code: str) -> None:
        caller = Caller(tenant=record.tenant, key_id=None, scopes=frozenset())
        details = {"connector": record.connector, "error": code}
        self._gateway.intake.audit.record(
            caller.audit_entry(self._gateway.clock(), "import.failed", record.id, **details)
        )

    def _mark_failed(self, claim: ImportClaim, code: str) -> None:
        connector = self.connectors.get(claim.records[0].connector)
        try:
            if connector is not None:
                connector.mark_failed(self._recording_of(claim), code)
        except (OSError, UndertoneError) as error:
            log.warning("gateway.mark_failed", connector=claim.records[0].connector, error=type(error).__name__)


def _renamed(track: RemoteFile, names: set[str | None]) -> RemoteFile:
    """A participant who joined twice has two tracks, and their names must differ."""
    name, number = track.name, 2
    while name is not None and name in names:
        name, number = f"{track.name} ({number})", number + 1
    names.add(name)
    return track.model_copy(update={"name": name})

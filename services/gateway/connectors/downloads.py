"""Downloads the files of one import into an incoming upload, while its lease is extended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from services.gateway.connectors.connector import Connector, PlatformRecording, RemoteFile
from services.gateway.context import Context
from services.gateway.job_intake import IncomingUpload
from shared.domain.error import (
    Interrupted,
    InvalidTranscript,
    LeaseLost,
    OutboundFailed,
    TranscriptTooLate,
    UploadTooLarge,
)
from shared.domain.job import MAX_START
from shared.infra.database.imports import SqlImportStore

log = structlog.get_logger()

LEASE = timedelta(seconds=90)
RENEW_SECONDS = 20.0


class Lease:
    """The lease of one attempt; it is lost to another process when it was not renewed in time."""

    def __init__(self, imports: SqlImportStore, lease: str, stopping: threading.Event) -> None:
        self._imports = imports
        self._lease = lease
        self._stopping = stopping
        self._renewed_at = time.monotonic()

    def keep(self) -> None:
        """Renew the lease from time to time; raises when the service stops."""
        if self._stopping.is_set():
            raise Interrupted("The service stops.")
        if time.monotonic() - self._renewed_at > RENEW_SECONDS:
            self.renew()

    def renew(self) -> None:
        if not self._imports.renew(self._lease, LEASE):
            raise LeaseLost("Another process has taken over this import.")
        self._renewed_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class RecordingFiles:
    """The files of one import; all together have the size limit of one request."""

    gateway: Context
    connector: Connector
    incoming: IncomingUpload
    lease: Lease

    def fetch(self, recording: PlatformRecording) -> None:
        main = recording.main
        if main is None:
            raise TranscriptTooLate("The platform announced this transcript after the job of its recording began.")
        self._fetch(self.incoming.put_recording, main, main.name)
        for track in recording.tracks:
            start = _start(track, main)
            if track.begins_at is not None and track.ends_at is not None and track.ends_at - track.begins_at <= -start:
                log.warning("gateway.track_left_out", connector=self.connector.name)  # it ends before the recording
                continue
            put = partial(self.incoming.put_track, start=start)
            # What follows the last dot of a track's name is removed as the suffix of a file.
            self._fetch(put, track, track.name and f"{track.name}.track")
        if recording.transcript is not None:
            try:
                self._fetch(self.incoming.put_transcript, recording.transcript, recording.transcript.name)
            except InvalidTranscript:
                log.warning("gateway.transcript_ignored", connector=self.connector.name)

    def _fetch(self, put: Callable[[str | None, Iterator[bytes]], None], file: RemoteFile, name: str | None) -> None:
        if file.url is None:
            put(name, self._kept(self.connector.read_own(file)))
            return
        left = self.gateway.max_bytes - self.incoming.size
        headers = {} if file.authorization is None else {"Authorization": file.authorization}
        try:
            with self.gateway.outbound.fetching(file.url, headers, max_bytes=left) as download:
                put(name, self._kept(download.blocks))
        except OutboundFailed as error:
            if error.reason == "too_large":
                raise UploadTooLarge(error.message) from None
            raise

    def _kept(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in self.incoming.with_heartbeat(blocks):
            self.lease.keep()
            yield block


def _start(track: RemoteFile, main: RemoteFile) -> float:
    """Seconds after the beginning of the recording; 0 if the platform sends no time, or its clock is wrong."""
    if track.begins_at is None or main.begins_at is None or abs(track.begins_at - main.begins_at) > MAX_START:
        return 0.0
    return track.begins_at - main.begins_at

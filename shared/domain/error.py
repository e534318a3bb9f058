"""Every error that a user can meet.

UndertoneError
├── RecordingError          the recording cannot be used
│   ├── UnsupportedMedia        not a container or codec that we open
│   ├── NoAudio                 nothing to listen to
│   ├── EmptyFile               no bytes at all
│   ├── MediaTooLarge           over a limit on duration, streams or resolution
│   └── DecodeFailed            the decoder gave up
├── RequestError            what was asked cannot be done
│   ├── InvalidRequest          options that contradict each other or make no sense
│   ├── InvalidTranscript       a platform transcript that cannot be read
│   ├── NotFound                a file or thing that is not there
│   ├── KeyReused               an idempotency key that was used for another request
│   ├── StateConflict           not in the state in which that can be done
│   │   ├── NotReady                its job has not come to that yet
│   │   ├── JobFailed               its job came to no result; the answer carries the job's own code
│   │   ├── NoReading               no emotion was perceived there that could be corrected
│   │   ├── VideoNotMade            nobody has made the captioned video that was asked for
│   │   ├── NoVideo                 the recording has no picture to put captions on
│   │   └── MediaGone               the recording was kept for its time
│   ├── ChangedMeanwhile        somebody changed it since it was read
│   ├── RangeUnusable           a range that lies outside
│   ├── UploadTooLarge          more bytes than this deployment takes
│   ├── QuotaExceeded           more bytes than one tenant may have stored
│   ├── BodyUnreadable          the request breaks off, or is not what its headers say
│   ├── BodyTooSlow             its bytes come too slowly to wait for them
│   ├── UnknownContentType      a body of a kind that this call does not take
│   ├── IdempotencyKeyBusy      the first request with that key has not ended
│   ├── UploadGone              a resumable upload that expired
│   ├── UploadHeld              somebody else is writing to it
│   ├── ProtocolVersion         a version of tus that is not spoken here
│   ├── ModalityNotAllowed      this deployment does not allow that sense
│   └── PurposeProhibited       the law forbids that sense for that purpose
├── EngineError             a model could not do its work
│   ├── EngineUnavailable       its runtime or weights are missing; `mend` is the command that helps
│   └── EngineFailed            it broke on this input
├── AccessError             who asks may not
│   ├── KeyRefused              no key, or none that is valid now
│   ├── ScopeMissing            a valid key that was not made for this
│   ├── HostRefused             keyless, but not from a program on this machine
│   └── TooManyRequests         more than this key or address may ask at once
├── WorkError               a worker's hold on a stage
│   ├── LeaseLost               somebody else has it, or the job has ended: stop and write nothing
│   ├── TimedOut                an attempt took longer than it may
│   └── Poisoned                the recording ended its worker again and again
├── OutboundError           a request to an address that we were told to call
│   ├── AddressBlocked          it may not be called; which rule or answer is not told
│   └── OutboundFailed          it could not be called, or did not answer as it should
├── SettingUnusable         a deployment's setting is missing or wrong
├── StorageFull             no room to write
├── StorageUnavailable      storage cannot be reached, or refuses its key
├── StorageLost             something written is no longer there
└── Interrupted             stopped by its user; what is finished is kept
"""

from __future__ import annotations

from typing import ClassVar


class UndertoneError(Exception):
    """`code` never changes once released; `status` is for HTTP, `exit_status` for the command line."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 70
    retryable: ClassVar[bool] = False
    retry_after: int | None = None
    """Seconds after which asking again makes sense, where that is more than a guess."""

    def __init__(self, message: str, *, mend: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend


class RecordingError(UndertoneError):
    code = "recording_unusable"
    status = 422
    exit_status = 65


class UnsupportedMedia(RecordingError):
    code = "unsupported_media"


class NoAudio(RecordingError):
    code = "no_audio"


class EmptyFile(RecordingError):
    code = "empty_file"


class MediaTooLarge(RecordingError):
    code = "media_too_large"


class DecodeFailed(RecordingError):
    code = "decode_failed"


class RequestError(UndertoneError):
    code = "request_unusable"
    status = 422
    exit_status = 64


class InvalidRequest(RequestError):
    code = "invalid_request"


class InvalidTranscript(RequestError):
    code = "invalid_transcript"


class NotFound(RequestError):
    code = "not_found"
    status = 404
    exit_status = 66


class KeyReused(RequestError):
    code = "idempotency_key_reused"


class StateConflict(RequestError):
    code = "state_conflict"
    status = 409


class NotReady(StateConflict):
    code = "not_ready"


class JobFailed(StateConflict):
    code = "job_failed"

    def __init__(self, message: str, *, job_code: str, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.job_code = job_code


class NoReading(StateConflict):
    code = "no_reading"


class VideoNotMade(StateConflict):
    code = "video_not_made"


class NoVideo(StateConflict):
    code = "no_video"


class MediaGone(StateConflict):
    code = "media_gone"


class ChangedMeanwhile(RequestError):
    code = "changed_meanwhile"
    status = 412


class RangeUnusable(RequestError):
    code = "range_unusable"
    status = 416


class UploadTooLarge(RequestError):
    code = "upload_too_large"
    status = 413


class QuotaExceeded(RequestError):
    code = "quota_exceeded"
    status = 507

    def __init__(self, most_bytes: int) -> None:
        super().__init__(
            f"With this there would be more than {most_bytes >> 20} MB of recordings stored for you.",
            mend="Erase jobs that are no longer needed, or wait until older recordings have had their time.",
        )


class BodyUnreadable(RequestError):
    code = "body_unreadable"
    status = 400


class BodyTooSlow(RequestError):
    code = "body_too_slow"
    status = 408
    retryable = True


class UnknownContentType(RequestError):
    code = "unknown_content_type"
    status = 415


class IdempotencyKeyBusy(RequestError):
    code = "idempotency_key_busy"
    status = 409
    retryable = True


class UploadGone(RequestError):
    code = "upload_gone"
    status = 410


class UploadHeld(RequestError):
    code = "upload_held"
    status = 423
    retryable = True


class ProtocolVersion(RequestError):
    code = "protocol_version"
    status = 412


class ModalityNotAllowed(RequestError):
    code = "modality_not_allowed"


class PurposeProhibited(RequestError):
    code = "purpose_prohibited"


class EngineError(UndertoneError):
    code = "engine_error"
    exit_status = 69


class EngineUnavailable(EngineError):
    code = "engine_unavailable"
    status = 503


class EngineFailed(EngineError):
    code = "engine_failed"
    retryable = True


class AccessError(UndertoneError):
    code = "access_refused"
    status = 403
    exit_status = 77


class KeyRefused(AccessError):
    code = "key_refused"
    status = 401


class ScopeMissing(AccessError):
    code = "scope_missing"


class HostRefused(AccessError):
    code = "host_refused"


class TooManyRequests(AccessError):
    code = "too_many_requests"
    status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after: int = 1, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.retry_after = retry_after


class WorkError(UndertoneError):
    code = "work_error"


class LeaseLost(WorkError):
    code = "lease_lost"
    status = 409


class TimedOut(WorkError):
    code = "timed_out"
    status = 504
    retryable = True


class Poisoned(WorkError):
    code = "poisoned"
    status = 422


class OutboundError(UndertoneError):
    code = "outbound_error"
    status = 502
    exit_status = 69


class AddressBlocked(OutboundError):
    code = "address_blocked"
    status = 422


class OutboundFailed(OutboundError):
    """`reason` is a class for the log: dns, connect, tls, timeout, protocol, redirect or too_large."""

    code = "outbound_failed"
    retryable = True

    def __init__(self, message: str, *, reason: str, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.reason = reason


class SettingUnusable(UndertoneError):
    code = "setting_unusable"
    exit_status = 78


class StorageFull(UndertoneError):
    code = "storage_full"
    status = 507
    exit_status = 74
    retryable = True
    retry_after = 60


class StorageUnavailable(UndertoneError):
    code = "storage_unavailable"
    status = 503
    exit_status = 69
    retryable = True


class StorageLost(UndertoneError):
    """`stage` is the one that can make it again."""

    code = "storage_lost"
    exit_status = 74
    retryable = True

    def __init__(self, message: str, *, stage: str | None = None, mend: str | None = None) -> None:
        super().__init__(message, mend=mend)
        self.stage = stage


class Interrupted(UndertoneError):
    code = "interrupted"
    status = 409
    exit_status = 130

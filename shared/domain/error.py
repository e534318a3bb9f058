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
│   ├── IdempotencyKeyReused               an idempotency key that was used for another request
│   ├── StateConflict           not in the state in which that can be done
│   │   ├── NotReady                its job has not come to that yet
│   │   ├── JobFailed               its job came to no result; the answer carries the job's own code
│   │   ├── NoEmotionReading               no emotion was perceived there that could be corrected
│   │   ├── VideoNotRequested            nobody has made the captioned video that was asked for
│   │   ├── NoVideo                 the recording has no picture to put captions on
│   │   └── MediaDeleted               the recording was kept for its time
│   ├── PreconditionFailed        somebody changed it since it was read
│   ├── RangeNotSatisfiable           a range that lies outside
│   ├── UploadTooLarge          more bytes than this deployment takes
│   ├── QuotaExceeded           more bytes than one tenant may have stored
│   ├── MalformedBody          the request breaks off, or is not what its headers say
│   ├── BodyTimeout             its bytes come too slowly to wait for them
│   ├── UnsupportedContentType      a body of a kind that this call does not take
│   ├── IdempotencyKeyInUse      the first request with that key has not ended
│   ├── UploadExpired              a resumable upload that expired
│   ├── UploadLocked              somebody else is writing to it
│   ├── UnsupportedProtocolVersion         a version of tus that is not spoken here
│   ├── ModalityNotAllowed      this deployment does not allow that sense
│   └── PurposeProhibited       the law forbids that sense for that purpose
├── EngineError             a model could not do its work
│   ├── EngineUnavailable       its runtime or weights are missing; `hint` is the command that helps
│   └── EngineFailed            it broke on this input
├── AccessDenied             who asks may not
│   ├── InvalidApiKey              no key, or none that is valid now
│   ├── InsufficientScope            a valid key that was not made for this
│   ├── HostNotAllowed             keyless, but not from a program on this machine
│   └── TooManyRequests         more than this key or address may ask at once
├── WorkError               a worker's hold on a stage
│   ├── LeaseLost               somebody else has it, or the job has ended: stop and write nothing
│   ├── TimedOut                an attempt took longer than it may
│   └── Poisoned                the recording ended its worker again and again
├── OutboundError           a request to an address that we were told to call
│   ├── AddressBlocked          it may not be called; which rule or answer is not told
│   └── OutboundFailed          it could not be called, or did not answer as it should
├── InvalidSetting         a deployment's setting is missing or wrong
├── StorageFull             no room to write
├── StorageUnavailable      storage cannot be reached, or refuses its key
├── StoredDataMissing             something written is no longer there
└── Interrupted             stopped by its user; what is finished is kept
"""

from __future__ import annotations

from typing import ClassVar


class UndertoneError(Exception):
    """`code` never changes once released; `status` is for HTTP, `exit_status` for the command line."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 70
    retryable: ClassVar[bool] = False
    retry_after: int | None = None
    """Seconds after which asking again makes sense, where that is more than a guess."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RecordingError(UndertoneError):
    code = "invalid_recording"
    http_status = 422
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
    code = "request_error"
    http_status = 422
    exit_status = 64


class InvalidRequest(RequestError):
    code = "invalid_request"


class InvalidTranscript(RequestError):
    code = "invalid_transcript"


class NotFound(RequestError):
    code = "not_found"
    http_status = 404
    exit_status = 66


class IdempotencyKeyReused(RequestError):
    code = "idempotency_key_reused"


class StateConflict(RequestError):
    code = "state_conflict"
    http_status = 409


class NotReady(StateConflict):
    code = "not_ready"


class JobFailed(StateConflict):
    code = "job_failed"

    def __init__(self, message: str, *, job_code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.job_code = job_code


class NoEmotionReading(StateConflict):
    code = "no_emotion_reading"


class VideoNotRequested(StateConflict):
    code = "video_not_available"


class NoVideo(StateConflict):
    code = "no_video"


class MediaDeleted(StateConflict):
    code = "media_deleted"

    def __init__(self) -> None:
        super().__init__("The recording was deleted after its retention time.", hint="Upload the recording again.")


class PreconditionFailed(RequestError):
    code = "precondition_failed"
    http_status = 412


class RangeNotSatisfiable(RequestError):
    code = "range_not_satisfiable"
    http_status = 416


class UploadTooLarge(RequestError):
    code = "upload_too_large"
    http_status = 413


class QuotaExceeded(RequestError):
    code = "quota_exceeded"
    http_status = 507

    def __init__(self, max_bytes: int) -> None:
        super().__init__(
            f"With this there would be more than {max_bytes >> 20} MB of recordings stored for you.",
            hint="Erase jobs that are no longer needed, or wait until older recordings have had their time.",
        )


class MalformedBody(RequestError):
    code = "malformed_body"
    http_status = 400


class BodyTimeout(RequestError):
    code = "body_timeout"
    http_status = 408
    retryable = True


class UnsupportedContentType(RequestError):
    code = "unsupported_content_type"
    http_status = 415


class IdempotencyKeyInUse(RequestError):
    code = "idempotency_key_in_use"
    http_status = 409
    retryable = True


class UploadExpired(RequestError):
    code = "upload_expired"
    http_status = 410


class UploadLocked(RequestError):
    code = "upload_locked"
    http_status = 423
    retryable = True


class UnsupportedProtocolVersion(RequestError):
    code = "unsupported_protocol_version"
    http_status = 412


class ModalityNotAllowed(RequestError):
    code = "modality_not_allowed"


class PurposeProhibited(RequestError):
    code = "purpose_prohibited"


class EngineError(UndertoneError):
    code = "engine_error"
    exit_status = 69


class EngineUnavailable(EngineError):
    code = "engine_unavailable"
    http_status = 503


class EngineFailed(EngineError):
    code = "engine_failed"
    retryable = True


class AccessDenied(UndertoneError):
    code = "access_denied"
    http_status = 403
    exit_status = 77


class InvalidApiKey(AccessDenied):
    code = "invalid_api_key"
    http_status = 401


class InsufficientScope(AccessDenied):
    code = "insufficient_scope"


class HostNotAllowed(AccessDenied):
    code = "host_not_allowed"


class TooManyRequests(AccessDenied):
    code = "too_many_requests"
    http_status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after: int = 1, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class WorkError(UndertoneError):
    code = "work_error"


class LeaseLost(WorkError):
    code = "lease_lost"
    http_status = 409


class TimedOut(WorkError):
    code = "timed_out"
    http_status = 504
    retryable = True


class Poisoned(WorkError):
    code = "poisoned"
    http_status = 422


class OutboundError(UndertoneError):
    code = "outbound_error"
    http_status = 502
    exit_status = 69


class AddressBlocked(OutboundError):
    code = "address_blocked"
    http_status = 422


class OutboundFailed(OutboundError):
    """`reason` is a class for the log: dns, connect, tls, timeout, protocol, redirect or too_large."""

    code = "outbound_failed"
    retryable = True

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class InvalidSetting(UndertoneError):
    code = "invalid_setting"
    exit_status = 78


class StorageFull(UndertoneError):
    code = "storage_full"
    http_status = 507
    exit_status = 74
    retryable = True
    retry_after = 60


class StorageUnavailable(UndertoneError):
    code = "storage_unavailable"
    http_status = 503
    exit_status = 69
    retryable = True


class StoredDataMissing(UndertoneError):
    """`stage` is the one that can make it again."""

    code = "stored_data_missing"
    exit_status = 74
    retryable = True

    def __init__(self, message: str, *, stage: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.stage = stage


class Interrupted(UndertoneError):
    code = "interrupted"
    http_status = 409
    exit_status = 130

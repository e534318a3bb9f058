"""The error classes, with their codes, HTTP statuses and exit statuses.

UndertoneError
├── RecordingError          the recording cannot be used
│   ├── UnsupportedMedia        unsupported container or codec
│   ├── NoAudio                 the recording has no audio
│   ├── EmptyFile               the file has no bytes
│   ├── MediaTooLarge           exceeds a limit on duration, streams or resolution
│   └── DecodeFailed            the decoder failed
├── RequestError            the request cannot be processed
│   ├── InvalidRequest          options that are invalid or contradict each other
│   ├── InvalidTranscript       a platform transcript that cannot be read
│   ├── NotFound                a file or resource that does not exist
│   ├── IdempotencyKeyReused    an idempotency key that was used for another request
│   ├── StateConflict           not possible in the current state
│   │   ├── NotReady                the job has not produced it yet
│   │   ├── JobFailed               the job failed; the response carries the job's error code
│   │   ├── NoEmotionReading        the utterance has no emotion reading to correct
│   │   ├── VideoNotRequested       the captioned video was not requested
│   │   ├── NoVideo                 the recording has no video to caption
│   │   └── MediaDeleted            the recording was deleted when its retention period ended
│   ├── PreconditionFailed      changed since it was read
│   ├── RangeNotSatisfiable     a range outside the file
│   ├── UploadTooLarge          more bytes than this deployment accepts
│   ├── QuotaExceeded           more bytes than one tenant may store
│   ├── MalformedBody           the body is truncated, or does not match its headers
│   ├── BodyTimeout             the body arrives too slowly
│   ├── UnsupportedContentType  a content type that this endpoint does not accept
│   ├── IdempotencyKeyInUse     the first request with this key is still running
│   ├── UploadExpired           a resumable upload that expired
│   ├── UploadLocked            another request is writing to the upload
│   ├── UnsupportedProtocolVersion  an unsupported version of tus
│   ├── ModalityNotAllowed      this deployment does not allow the modality
│   └── PurposeProhibited       the law prohibits the modality for this purpose
├── EngineError             a model could not be used
│   ├── EngineUnavailable       its runtime or weights are missing; `hint` is the command that installs them
│   └── EngineFailed            it failed on this input
├── AccessDenied            the caller is not permitted
│   ├── InvalidApiKey           the key is missing, unknown, expired or revoked
│   ├── InsufficientScope       a valid key without the required scope
│   ├── HostNotAllowed          a request without a key that does not come from this machine
│   └── TooManyRequests         the rate limit of this key or address is exceeded
├── WorkError               an error of a worker's claim on a stage
│   ├── LeaseLost               another worker has the lease, or the job has ended: stop and write nothing
│   ├── TimedOut                an attempt exceeded its time limit
│   └── Poisoned                the recording crashed its worker repeatedly
├── OutboundError           a request to an address given by a client
│   ├── AddressBlocked          the address is blocked; the message does not say by which rule
│   └── OutboundFailed          the request failed, or the response was invalid
├── InvalidSetting          a deployment's setting is missing or wrong
├── StorageFull             no free space
├── StorageUnavailable      storage cannot be reached, or rejects the credentials
├── StoredDataMissing       stored data no longer exists
└── Interrupted             stopped by the user; finished stages are kept
"""

from __future__ import annotations

from typing import ClassVar


class UndertoneError(Exception):
    """Base of all errors. `code` never changes once released; `exit_status` is for the command line."""

    code: ClassVar[str] = "internal_error"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 70
    retryable: ClassVar[bool] = False
    retry_after: int | None = None
    """Seconds to wait before retrying, where known."""

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
        super().__init__("The recording was deleted after its retention period.", hint="Submit the recording again.")


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
            f"This recording would exceed your storage quota of {max_bytes >> 20} MB.",
            hint="Erase jobs that are no longer needed, or wait until the retention of older recordings ends.",
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
    """An outbound request failed; `reason` is dns, connect, tls, timeout, protocol, redirect or too_large."""

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
    """Stored data is missing; `stage` is the stage that can produce it again."""

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

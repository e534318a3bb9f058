"""Errors of a request that cannot be processed."""

from shared.domain.error.base import UndertoneError


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


class TranscriptTooLate(StateConflict):
    code = "transcript_too_late"


class JobFailed(StateConflict):
    code = "job_failed"

    def __init__(self, message: str, *, job_code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.job_code = job_code


class NoEmotionReading(StateConflict):
    code = "no_emotion_reading"


class EditConflict(StateConflict):
    code = "edit_conflict"


class NothingToUndo(StateConflict):
    code = "nothing_to_undo"


class TooManyCorrections(StateConflict):
    code = "too_many_corrections"


class VideoNotRequested(StateConflict):
    code = "video_not_available"


class NoVideo(StateConflict):
    code = "no_video"


class NoRecording(StateConflict):
    code = "no_recording"

    def __init__(self) -> None:
        super().__init__("The job has a transcript alone, without a recording.")


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


class RequestTimeout(RequestError):
    code = "request_timeout"
    http_status = 503
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

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
│   ├── ModalityNotAllowed      this deployment does not allow that sense
│   └── PurposeProhibited       the law forbids that sense for that purpose
├── EngineError             a model could not do its work
│   ├── EngineUnavailable       its runtime or weights are missing; `mend` is the command that helps
│   └── EngineFailed            it broke on this input
├── StorageFull             no room to write
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


class StorageFull(UndertoneError):
    code = "storage_full"
    status = 507
    exit_status = 74
    retryable = True


class StorageLost(UndertoneError):
    code = "storage_lost"
    exit_status = 74
    retryable = True


class Interrupted(UndertoneError):
    code = "interrupted"
    status = 409
    exit_status = 130

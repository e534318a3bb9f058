"""Errors while a job runs: of its recording, of an engine, or of the worker's claim."""

from shared.domain.error.base import UndertoneError


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


class AudioTooLong(MediaTooLarge):
    code = "audio_too_long"


class TooLittleSpeech(RecordingError):
    code = "too_little_speech"


class DecodeFailed(RecordingError):
    code = "decode_failed"


class EngineError(UndertoneError):
    code = "engine_error"
    exit_status = 69


class EngineUnavailable(EngineError):
    code = "engine_unavailable"
    http_status = 503


class EngineFailed(EngineError):
    code = "engine_failed"
    retryable = True


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

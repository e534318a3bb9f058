"""Errors of a deployment: its settings and its storage."""

from shared.domain.error.base import UndertoneError


class InvalidSetting(UndertoneError):
    code = "invalid_setting"
    exit_status = 78


class EncryptionKeyMissing(InvalidSetting):
    """Stored data was encrypted with a key that this deployment no longer has."""

    code = "encryption_key_missing"


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


class DatabaseUnavailable(StorageUnavailable):
    code = "database_unavailable"


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

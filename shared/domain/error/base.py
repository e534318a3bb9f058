"""The base of all errors."""

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

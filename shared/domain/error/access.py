"""Errors of permission: of a caller, and of an address that a client names."""

from shared.domain.error.base import UndertoneError


class AccessDenied(UndertoneError):
    code = "access_denied"
    http_status = 403
    exit_status = 77


class InvalidApiKey(AccessDenied):
    code = "invalid_api_key"
    http_status = 401


class InvalidSignature(AccessDenied):
    code = "invalid_signature"
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

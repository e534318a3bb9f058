"""Verifies signatures of inbound webhooks in constant time, over the raw bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from starlette.datastructures import Headers

from shared.domain.error import InvalidSignature

WINDOW_SECONDS = 300.0  # in both directions
MILLISECONDS = 1e11  # a greater Unix time is in milliseconds


def sign(secret: str, content: bytes) -> bytes:
    return hmac.digest(secret.encode(), content, hashlib.sha256)


def require_signature(*conditions: bool) -> None:
    """Raise one error for every reason, so that the response does not tell a forger what is wrong.

    The conditions are computed before the call: none of them shortens the time of the answer.
    """
    if not all(conditions):
        raise InvalidSignature(
            "The webhook's signature is missing, wrong or older than five minutes.",
            hint="Compare the secret in the connector's settings with that at the platform, and both clocks.",
        )


def single(headers: Headers, name: str) -> str:
    """The value of a header that occurs once; of two values, a proxy may have checked the other one."""
    values = headers.getlist(name)
    return values[0] if len(values) == 1 else ""


def same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def is_fresh(timestamp: str, now: datetime) -> bool:
    """Whether the Unix time, in seconds or milliseconds, is within the window."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        return False
    seconds = float(timestamp) / (1000 if float(timestamp) > MILLISECONDS else 1)
    return abs(now.timestamp() - seconds) <= WINDOW_SECONDS


def read_jwt(token: str, secret: str) -> dict[str, Any]:
    """The claims of a JSON Web Token that is signed with HS256 by this secret; no other algorithm is accepted."""
    signed, _, signature = token.rpartition(".")
    head, _, payload = signed.partition(".")
    expected = base64.urlsafe_b64encode(sign(secret, signed.encode())).decode().rstrip("=")
    require_signature(same(signature, expected), _json(head).get("alg") == "HS256")
    return _json(payload)


def _json(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

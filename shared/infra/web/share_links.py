"""The addresses of shared meetings, which contain the token of their link instead of a key."""

from __future__ import annotations

PREFIX = "/shared/"


def share_token(path: str) -> str | None:
    """The token in the address of a shared meeting; None for all other addresses, which need a key."""
    return path.removeprefix(PREFIX).partition("/")[0] if path.startswith(PREFIX) else None

"""The fixtures of the gateway's tests: a gateway on a real socket with a SQLite database."""

from tests.gateway.conftest import client, gateway, opened, stranger

__all__ = ["client", "gateway", "opened", "stranger"]
